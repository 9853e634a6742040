"""The server as the `openai` client sees it."""

# ruff: noqa: E402
from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("torch")
openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from serving import Served, running, tiny_target
from spillover.doors.serve.answering import sampler_requests, to_answered
from spillover.doors.serve.request import ChatRequest
from spillover.models.sampler import Reply
from spillover.models.tops import top_tokens
from spillover.records import Message

ASKED: Any = [{"role": "user", "content": "what is it"}]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(tiny_target(), tiny_target(name="other", seed=5)) as found:
        yield found


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(base_url=served.url, api_key="any", max_retries=0) as found:
        yield found


def ask(client: Any, **more: Any) -> Any:
    settings = {"model": "tiny", "messages": ASKED, "max_tokens": 8, "seed": 1, **more}
    return client.chat.completions.create(**settings)


def texts(reply: Any) -> list[str]:
    assert [choice.index for choice in reply.choices] == list(range(len(reply.choices)))
    return [choice.message.content for choice in reply.choices]


def test_models_are_listed_and_found(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["tiny", "other"]
    assert client.models.retrieve("other").id == "other"
    with pytest.raises(openai.NotFoundError, match="no model 'nix' here; there are tiny, other"):
        client.models.retrieve("nix")


def test_a_completion(client: Any, served: Served) -> None:
    reply = ask(client, n=3)
    assert reply.object == "chat.completion"
    assert reply.model == "tiny"
    assert len(set(texts(reply))) == 3
    assert {choice.finish_reason for choice in reply.choices} <= {"stop", "length"}
    assert all(choice.logprobs is None for choice in reply.choices)
    prompt = served.batcher.targets["tiny"].prompt((Message(role="user", content="what is it"),))
    assert reply.usage.prompt_tokens == len(prompt)
    assert 3 <= reply.usage.completion_tokens <= 24
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_the_seed_decides(client: Any) -> None:
    first = texts(ask(client, n=4))
    assert texts(ask(client, n=4)) == first
    assert texts(ask(client, n=2)) == first[:2]
    assert texts(ask(client, n=4, seed=2)) != first
    assert not set(texts(ask(client, n=4, seed=2))) & set(first), "seeds must not share streams"
    assert texts(ask(client, n=4, model="other")) != first
    assert texts(ask(client, n=4, seed=None)) != texts(ask(client, n=4, seed=None))
    greedy = [texts(ask(client, temperature=0, seed=seed)) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


def test_an_answer_does_not_depend_on_what_is_asked_with_it(client: Any, served: Served) -> None:
    seeds = range(24)
    alone = [texts(ask(client, seed=seed)) for seed in seeds]
    steps = served.batcher.targets["tiny"].stats.steps
    with ThreadPoolExecutor(24) as pool:
        together = [*pool.map(lambda seed: texts(ask(client, seed=seed)), seeds)]
    assert together == alone
    taken = served.batcher.targets["tiny"].stats.steps - steps
    assert taken < 24 * 7 / 2, "answers that wait together are sampled together"


def test_a_lower_limit_only_cuts(client: Any) -> None:
    whole, short = (
        texts(ask(client, n=3)),
        ask(client, n=3, max_tokens=None, max_completion_tokens=3),
    )
    for text, choice in zip(whole, short.choices, strict=True):
        assert text.startswith(choice.message.content.rstrip("\ufffd"))
    assert short.usage.completion_tokens <= 9


def test_a_stop_is_not_looked_for_in_thoughts() -> None:
    target = tiny_target()
    target.chat.tokenizer = copy.copy(target.chat.tokenizer)
    target.chat.tokenizer.chat_template += "{# <think> and </think> #}"
    said = target.chat.encode("<think>hm. no</think>\n\nYes. No")
    body = {"model": "tiny", "messages": ASKED, "stop": [".", "\n"]}
    request = ChatRequest.model_validate(body)
    replies = [Reply(0, said, (-1.0,) * len(said), "length", 0)]
    (choice,) = to_answered(target, request, prompt=(1,), replies=replies).choices
    assert choice.message.content == "<think>hm. no</think>\n\nYes"
    assert choice.finish_reason == "stop"


def test_a_stop_only_cuts(client: Any) -> None:
    (whole,) = texts(ask(client, max_tokens=30))
    stop = whole[6:8]
    for given in (stop, ["never said", stop]):
        reply = ask(client, max_tokens=30, stop=given, logprobs=True)
        assert texts(reply) == [whole[: whole.index(stop)]]
        assert reply.choices[0].finish_reason == "stop"
        shown = "".join(entry.token for entry in reply.choices[0].logprobs.content)
        assert shown.startswith(texts(reply)[0])
        assert len(shown) < len(whole)
        assert reply.usage.completion_tokens < 30


def test_logprobs(client: Any, served: Served) -> None:
    reply = ask(client, n=2, logprobs=True, top_logprobs=5)
    target = served.batcher.targets["tiny"]
    wanted = ChatRequest(model="tiny", messages=ASKED, n=2, seed=1, max_tokens=8)
    requests = sampler_requests(target, wanted, seed=1)
    sampled = sorted(tiny_target().sampler.sample(requests))
    tokens = [one.tokens for one in sampled]
    every = top_tokens(target.model, requests[0].prompt, replies=tokens, most=500)
    for choice, one, places in zip(reply.choices, sampled, every, strict=True):
        content = choice.logprobs.content
        assert "".join(entry.token for entry in content) == choice.message.content
        for entry, token, logprob, place in zip(
            content, one.tokens, one.logprobs, places, strict=False
        ):
            assert entry.logprob == pytest.approx(logprob, abs=1e-4)
            assert entry.logprob == pytest.approx(dict(place)[token], abs=1e-3)
            assert len(entry.top_logprobs) == 5
            likely = [top.logprob for top in entry.top_logprobs]
            assert likely == pytest.approx([top.logprob for top in place[:5]], abs=1e-3)
            assert entry.bytes is None or bytes(entry.bytes).decode() == entry.token


def test_logprobs_do_not_change_the_answer(client: Any) -> None:
    assert texts(ask(client, logprobs=True)) == texts(ask(client))
    entry = ask(client, logprobs=True).choices[0].logprobs.content[0]
    assert entry.top_logprobs == []


def test_a_stream_holds_the_same(client: Any) -> None:
    whole = ask(client, n=2, logprobs=True)
    pieces = list(
        ask(client, n=2, logprobs=True, stream=True, stream_options={"include_usage": True})
    )
    assert [piece.choices[0].delta.content for piece in pieces[:-1]] == texts(whole)
    assert pieces[-1].usage == whole.usage
    assert pieces[0].choices[0].finish_reason == whole.choices[0].finish_reason
    assert pieces[0].choices[0].logprobs.content == whole.choices[0].logprobs.content


def test_roles_and_parts(client: Any) -> None:
    plain = [{"role": "system", "content": "be kind"}, *ASKED]
    parts = [{"type": "text", "text": "what is"}, {"type": "text", "text": " it"}]
    other = [{"role": "developer", "content": "be kind"}, {"role": "user", "content": parts}]
    assert texts(ask(client, messages=plain)) == texts(ask(client, messages=other))
    assert texts(ask(client, messages=plain)) != texts(ask(client))
    said = ask(client).choices[0].message  # goes back as it came
    followed = [*ASKED, said.model_dump(), *ASKED]
    assert ask(client, messages=followed).usage.prompt_tokens > ask(client).usage.prompt_tokens


@pytest.mark.parametrize(
    ("changed", "param", "message"),
    [
        ({"temperature": 2.5}, "temperature", "temperature is 2.5: .*less than or equal to 2"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"temperature": "warm"}, "temperature", "temperature is 'warm'"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 129}, "n", "less than or equal to 128"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_completion_tokens": 4}, None, "give one of them"),
        ({"top_logprobs": 3}, None, "top_logprobs needs logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
        ({"stop": ""}, "stop.0", "at least 1 character"),
        ({"messages": []}, "messages", "messages is needed"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role", "'user'"),
        ({"presence_penalty": 0.5}, "presence_penalty", "less than or equal to 0"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "at most 0 items"),
        ({"response_format": {"type": "json_object"}}, "response_format.type", "'text'"),
        ({"extra_body": {"top_k": 3}}, "top_k", "these can: .*temperature"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "not a field"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content",
            "'image_url' can't be read",
        ),
    ],
)  # fmt: skip
def test_a_field_that_is_not_usable_is_400(
    client: Any, changed: dict[str, Any], param: str | None, message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        ask(client, **changed)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param
    assert caught.value.code


def test_values_that_change_nothing_are_taken(client: Any) -> None:
    more = {"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "tools": [],
            "response_format": {"type": "text"}, "user": "me", "metadata": {"a": "b"}}  # fmt: skip
    assert texts(ask(client, **more)) == texts(ask(client))


def test_an_unknown_model_is_404(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="there are tiny, other") as caught:
        ask(client, model="nix")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


def test_a_prompt_that_is_too_long_is_400(client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="the model's context is 256") as caught:
        ask(client, messages=[{"role": "user", "content": "water " * 300}])
    assert caught.value.code == "context_length_exceeded"
    reply = ask(client, messages=[{"role": "user", "content": "water " * 200}], max_tokens=200)
    assert reply.usage.total_tokens <= 256
