"""The server below the client: bodies, hosts, clients that leave, faults on the way, its end."""

# ruff: noqa: E402
from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch")
openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")
import httpx2

from faults import FAULTS, Faults, seeded
from serving import Served, running, tiny_target
from spillover.doors.serve.batcher import Batcher
from spillover.doors.serve.request import ChatRequest
from spillover.doors.serve.wire import RequestError

ASKED: Any = [{"role": "user", "content": "what is it"}]
BODY: dict[str, Any] = {"model": "tiny", "messages": ASKED, "max_tokens": 4, "seed": 1}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(tiny_target()) as found:
        yield found


def post(served: Served, body: Any = BODY, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    return httpx2.post(
        f"{served.url}/chat/completions", content=content, headers=headers, timeout=30
    )


def refused(reply: httpx2.Response, status: int, code: str) -> str:
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    return error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[1", b'{"model": tiny}'])
def test_a_body_that_is_not_json(served: Served, body: bytes) -> None:
    assert "not JSON" in refused(post(served, body), 400, "invalid_json")


@pytest.mark.parametrize("body", [b"3", b"[]", b"null", b'"x"'])
def test_json_of_another_shape(served: Served, body: bytes) -> None:
    refused(post(served, body), 400, "invalid_value")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-Infinity"])
def test_numbers_that_are_none(served: Served, number: str) -> None:
    body = json.dumps(BODY)[:-1] + f', "temperature": {number}}}'
    assert post(served, body.encode()).status_code == 400


def test_other_content_types_are_refused(served: Served) -> None:
    message = refused(post(served, **{"content-type": "text/plain"}), 415, "content_type")
    assert "text/plain" in message


def test_a_body_that_is_too_long(served: Served) -> None:
    refused(post(served, b" " * (9 << 20)), 413, "body_too_long")


def test_another_host_name_is_refused(served: Served) -> None:
    assert "evil" in refused(post(served, host="evil.example:8000"), 403, "unknown_host")
    assert post(served, host="LOCALHOST:1").status_code == 200
    with running(tiny_target(), hosts=None) as anywhere:
        assert post(anywhere, host="gpu-box").status_code == 200


def test_no_page_of_another_site_may_read_answers(served: Served) -> None:
    reply = post(served, origin="http://evil.example")
    assert not [name for name in reply.headers if name.startswith("access-control")]
    asked = httpx2.request(
        "OPTIONS", f"{served.url}/chat/completions", headers={"origin": "http://evil.example"}
    )
    assert asked.status_code == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/chat/completions", 405), ("POST", "/completions", 404), ("GET", "/../x", 404)],
)
def test_what_is_not_there(served: Served, method: str, path: str, status: int) -> None:
    reply = httpx2.request(method, served.url + path)
    assert "there are POST /v1/chat/completions" in refused(reply, status, "unknown_url")


def test_logits_that_are_not_finite_are_an_error_and_the_server_goes_on() -> None:
    import torch

    broken = tiny_target("gpt2", name="broken")
    with torch.no_grad():
        broken.model.lm_head.weight[7] = float("nan")
    with running(broken, tiny_target()) as served:
        refused(post(served, BODY | {"model": "broken"}), 500, "not_finite")
        assert post(served).status_code == 200


def test_a_sampler_that_fails_is_an_error_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tiny_target()
    with running(target) as served:
        with monkeypatch.context() as patched:
            patched.setattr(target.sampler.forward, "prompts", lambda *_: 1 / 0)
            assert "ZeroDivisionError" in refused(post(served), 500, "sampling_failed")
        assert post(served).status_code == 200


def test_a_client_that_leaves_frees_the_sampler() -> None:
    target = tiny_target()
    with running(target) as served:
        original, begun = target.sampler.forward.step, threading.Event()

        def slow(*arguments: Any) -> Any:
            begun.set()
            time.sleep(0.05)
            return original(*arguments)

        target.sampler.forward.step = slow  # type: ignore[method-assign]
        with pytest.raises(httpx2.TimeoutException):
            httpx2.post(
                f"{served.url}/chat/completions", json=BODY | {"max_tokens": 200, "n": 8}, timeout=2
            )
        assert begun.is_set()
        before = time.monotonic()
        assert post(served, BODY | {"max_tokens": 1}).status_code == 200
        assert time.monotonic() - before < 5, "the abandoned request would take 10 s"


def test_too_much_waiting_is_429(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spillover.doors.serve.batcher._MOST_WAITING", 8)
    batcher = Batcher({"tiny": tiny_target()})
    try:
        wanted = ChatRequest(model="tiny", messages=ASKED, n=8, max_tokens=60)
        first = batcher.submit(wanted, seed=1)
        with pytest.raises(RequestError, match="8 answers are waiting") as caught:
            batcher.submit(wanted, seed=2)
        assert (caught.value.status, caught.value.retry_after) == (429, 1)
        first.result(30)
        batcher.submit(wanted, seed=2).result(30)
    finally:
        batcher.stop()


def test_what_waits_when_the_server_stops_gets_an_error() -> None:
    batcher = Batcher({"tiny": tiny_target()})
    wanted = ChatRequest(model="tiny", messages=ASKED, n=64, max_tokens=200)
    futures = [batcher.submit(wanted, seed=seed) for seed in range(4)]
    batcher.stop()
    for future in futures:
        with pytest.raises(RequestError, match="stopping"):
            future.result(1)
    with pytest.raises(RequestError, match="stopping"):
        batcher.submit(wanted, seed=9)


def test_the_client_gets_over_each_fault_that_it_can() -> None:
    with running(tiny_target()) as served:
        clean = post(served).json()["choices"]
        with running(
            tiny_target(), around=lambda app: Faults(app, ["429", "500", "cut", None, "silence"])
        ) as spoilt, openai.OpenAI(
            base_url=spoilt.url, api_key="any", max_retries=4, timeout=3
        ) as client:  # fmt: skip
            for _ in range(2):
                reply = client.chat.completions.create(**BODY)
                assert [choice.model_dump() for choice in reply.choices] == clean or (
                    reply.choices[0].message.content == clean[0]["message"]["content"]
                )
            assert spoilt.app.seen == ["429", "500", "cut", None, "silence", None]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("silence", openai.APITimeoutError),
        ("cut", openai.APIConnectionError),
        ("garbage", Exception),
    ],
)
def test_each_fault_is_what_it_says(fault: Any, error: type[Exception]) -> None:
    with running(
        tiny_target(), around=lambda app: Faults(app, [fault])
    ) as spoilt, openai.OpenAI(
        base_url=spoilt.url, api_key="any", max_retries=0, timeout=3
    ) as client:  # fmt: skip
        with pytest.raises(error):
            client.chat.completions.create(**BODY)
        assert client.chat.completions.create(**BODY, logprobs=True).choices[0].logprobs


def test_missing_logprobs() -> None:
    with running(tiny_target(), around=lambda app: Faults(app, ["no_logprobs"])) as spoilt:
        choice = post(spoilt, BODY | {"logprobs": True}).json()["choices"][0]
        assert choice["logprobs"] is None
        assert choice["message"]["content"]


def test_a_seeded_schedule_repeats_itself() -> None:
    def first(seed: int) -> list[Any]:
        schedule = seeded(seed, share=0.5)
        return [next(schedule) for _ in range(200)]

    assert first(1) == first(1) != first(2)
    assert {*FAULTS, None} == set(first(1))
    assert 70 < sum(fault is None for fault in first(1)) < 130
