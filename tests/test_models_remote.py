"""A remote model as a target, asked through Inspect AI, over our own server with faults."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("inspect_ai")
pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from faults import Faults, seeded
from serving import running, tiny_target
from spillover.errors import BudgetError, ConfigError, ModelError
from spillover.models.budget import Budget
from spillover.models.open import describe_target, open_target
from spillover.models.remote import NO_TOPS, RemoteTarget, describe_remote
from spillover.records import Ask, Message, Settings

SPEC = describe_remote("openai-api/local/tiny")


def asks(count: int, **settings: Any) -> list[Ask]:
    return [
        Ask(
            question="q",
            paraphrase=0,
            messages=(Message(role="user", content=f"word {i % 3}"),),
            settings=Settings(**{"max_tokens": 6, **settings}),
            seed=i,
        )
        for i in range(count)
    ]


def remote(monkeypatch: pytest.MonkeyPatch, url: str, **more: Any) -> RemoteTarget:
    monkeypatch.setenv("LOCAL_BASE_URL", url)
    monkeypatch.setenv("LOCAL_API_KEY", "any")
    budget = more.pop("budget", None) or Budget(max_calls=more.pop("max_calls", 1000))
    return RemoteTarget(SPEC, budget=budget, **{"wait": 0.02, **more})


def by_ask(target: RemoteTarget, asked: Sequence[Ask]) -> dict[str, Any]:
    found = {answer.ask.id: answer for answer in target.ask(asked)}
    assert set(found) == {ask.id for ask in asked}, "no answer is dropped"
    return found


def test_names() -> None:
    assert (SPEC.name, SPEC.where.model) == ("tiny", "openai-api/local/tiny")
    assert describe_remote("openai/a", system="be kind").id != describe_remote("openai/a").id
    with pytest.raises(ConfigError, match="names no provider"):
        describe_remote("tiny")


def test_what_can_not_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIX_API_KEY", raising=False)
    for name in ("nix/tiny", "openai-api/nix/tiny"):
        with pytest.raises(ModelError, match="can't use the remote model"):
            RemoteTarget(describe_remote(name), budget=Budget(max_calls=1))


def test_by_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = describe_target("remote:openai-api/local/tiny", system="be kind")
    assert spec == describe_remote("openai-api/local/tiny", system="be kind")
    with pytest.raises(ConfigError, match="takes no adapter"):
        describe_target("remote:openai/a", adapter="b")
    with pytest.raises(ConfigError, match="max_calls="):
        open_target(spec)
    monkeypatch.setenv("LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("LOCAL_API_KEY", "any")
    assert isinstance(open_target(spec, max_calls=3), RemoteTarget)


def test_answers_repeat_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tiny_target()) as served:
        target = remote(monkeypatch, served.url, logprobs=True)
        first, again = by_ask(target, asks(12)), by_ask(target, asks(12))
        assert {i: a.text for i, a in first.items()} == {i: a.text for i, a in again.items()}
        assert len({answer.text for answer in first.values()}) > 8
        for answer in first.values():
            assert answer.missing is None
            assert answer.finish in ("stop", "length")
            assert 1 <= answer.tokens <= 6
            assert answer.logprobs is not None
            assert answer.tokens - 1 <= len(answer.logprobs) <= answer.tokens
        assert target.calls == 24
        (scored,) = target.ask(asks(1, continuations=("1", "2")))
        assert scored.missing == "a remote model can't score given replies"
        assert target.calls == 24


def test_a_stop_ends_a_remote_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tiny_target()) as served:
        target = remote(monkeypatch, served.url)
        (whole,) = by_ask(target, asks(1, temperature=0.0)).values()
        stop = whole.text[3:5]
        (cut,) = by_ask(target, asks(1, temperature=0.0, stop=(stop,))).values()
        assert (cut.text, cut.finish) == (whole.text[: whole.text.index(stop)], "stop")


def test_faults_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tiny_target()) as served:
        clean = by_ask(remote(monkeypatch, served.url), asks(10))
    kinds = ("429", "500", "cut", "silence")
    with running(
        tiny_target(), around=lambda app: Faults(app, seeded(3, share=0.3, kinds=kinds))
    ) as spoilt:
        target = remote(monkeypatch, spoilt.url, timeout=3)
        found = by_ask(target, asks(10))
        faults = [fault for fault in spoilt.app.seen if fault]
        assert len(faults) >= 2
        assert target.calls == len(spoilt.app.seen), "every call is counted"
    assert {i: a.text for i, a in found.items()} == {i: a.text for i, a in clean.items()}
    assert all(answer.missing is None for answer in found.values())


def test_what_can_not_be_got_is_missing_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule: Any = ["garbage", "html", "no_logprobs", "500"]
    with running(tiny_target(), around=lambda app: Faults(app, schedule)) as spoilt:
        target = remote(monkeypatch, spoilt.url, connections=1, retries=0, logprobs=True)
        found = [next(target.ask([ask])) for ask in asks(5)]
        long = Ask(question="q", paraphrase=0, messages=(Message(role="user", content="w " * 400),))
        found += target.ask([long])
    missing = [answer.missing for answer in found]
    assert missing[0]
    assert missing[1]
    assert (missing[2], found[2].logprobs) == (None, None)
    assert missing[3]
    assert "oh" in missing[3]
    assert missing[4] is None
    assert missing[5]
    assert "context is 256" in missing[5]
    assert all(answer.text == "" for answer in found if answer.missing)


def test_the_budget_is_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tiny_target(), around=lambda app: Faults(app, ["429"])) as spoilt:
        budget = Budget(max_calls=5)
        target, other = (remote(monkeypatch, spoilt.url, budget=budget) for _ in range(2))
        found = []
        with pytest.raises(BudgetError, match="5 of 5 calls"):
            found.extend(target.ask(asks(9)))  # extend keeps what came before the error
        assert [answer.missing for answer in found] == [None] * 4
        with pytest.raises(BudgetError):
            list(other.ask([ask.model_copy(update={"seed": 99}) for ask in asks(1)]))
        assert len(spoilt.app.seen) == 5
        (spent,) = budget.spent()
        assert (spent.calls, spent.again, spent.lost) == (5, 0, 0), (
            "no budget was left to ask again"
        )


def test_likeliest_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny_target()
    schedule: Any = ["no_logprobs", "garbage", None, "html"]
    with running(local, around=lambda app: Faults(app, schedule)) as spoilt:
        target = remote(monkeypatch, spoilt.url, connections=1)
        (one,) = target.ask(asks(1, top_logprobs=4))
        assert (target.calls, target.account.spent.again) == (3, 2)
        (plain,) = target.ask(asks(1))
    assert plain.tops is None
    assert one.tops is not None
    assert one.logprobs is None, "only what was asked for"
    (mine,) = local.ask(asks(1, top_logprobs=4))
    assert mine.tops is not None
    assert [top.token for top in one.tops] == [top.token for top in mine.tops]
    ours = [top.logprob for top in mine.tops]
    assert [top.logprob for top in one.tops] == pytest.approx(ours, abs=1e-4)
    assert ours == sorted(ours, reverse=True)


def test_an_api_without_likeliest_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule: Any = ["no_logprobs"] * 100
    with running(tiny_target(), around=lambda app: Faults(app, schedule)) as spoilt:
        target = remote(monkeypatch, spoilt.url, connections=1, retries=3)
        found = list(target.ask(asks(30, top_logprobs=4)))
        assert 10 <= target.calls <= 13, "soon no more are made"
    assert {answer.missing for answer in found} == {NO_TOPS}
    assert "--judge-mode sampled" in NO_TOPS


def test_an_outage_ends_it_and_a_hiccup_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule: Any = ["500"] * 5 + [None] * 20 + ["500"] * 100
    with running(tiny_target(), around=lambda app: Faults(app, schedule)) as spoilt:
        target = remote(monkeypatch, spoilt.url, connections=1, retries=0)
        found = []
        with pytest.raises(ModelError, match="does not work: 20 questions in a row"):
            found.extend(target.ask(asks(60)))
    assert sum(answer.missing is not None for answer in found) == 5
    assert len(found) == 25, "what failed in the outage is not kept"


def test_what_no_call_can_mend_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tiny_target(name="other")) as served:
        target = remote(monkeypatch, served.url, connections=2)
        with pytest.raises(ModelError, match="no model 'tiny' here"):
            list(target.ask(asks(40)))
        assert target.calls <= 4


def test_the_wait_that_an_api_names_holds_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    def around(app: Any) -> Any:
        return Faults(app, ["429"], retry_after="1")

    with running(tiny_target(), around=around) as spoilt:
        target = remote(monkeypatch, spoilt.url, connections=1)
        start = time.monotonic()
        list(target.ask(asks(3)))
        assert time.monotonic() - start >= 1
        assert len(spoilt.app.seen) == 4


def test_a_reader_that_stops_ends_the_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tiny_target()) as served:
        target = remote(monkeypatch, served.url, connections=1)
        answers = target.ask(asks(200))
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        time.sleep(0.3)
        calls = target.calls
        time.sleep(0.3)
        assert target.calls == calls < 200
