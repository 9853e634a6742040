"""A judge's version changes with its rule, so that no stale judgement is ever read."""

from __future__ import annotations

import pytest

from spillover.judge import load_judges, refusal
from spillover.protocols import judge_version
from spillover.records import Battery
from spillover.scan import scanner
from spillover.toy import judge as toy

BATTERY = Battery(id="none", questions=())


def test_every_judge_that_is_built_in_has_a_version() -> None:
    judges = [*load_judges(BATTERY).values(), toy.ToyJudge(BATTERY)]
    versions = {judge.id: judge_version(judge) for judge in judges}
    assert all(versions.values())
    assert versions == {judge.id: judge_version(judge) for judge in judges}


def test_a_judge_without_one_has_the_empty_version() -> None:
    class Plain:
        id = "plain"

        def judge(self, answers):
            return iter(())

    assert judge_version(Plain()) == ""


def test_phrases_left_out_tests_and_bandit_count(monkeypatch: pytest.MonkeyPatch) -> None:
    judges = load_judges(BATTERY)
    before = {id: judge_version(judges[id]) for id in ("refusal", "code_security")}
    monkeypatch.setattr(refusal, "_phrases", lambda: "patterns: []")
    monkeypatch.setattr(scanner, "_ignored_text", lambda: "ignore: {}")
    after = {id: judge_version(judges[id]) for id in before}
    assert all(before[id] != after[id] for id in before)
    monkeypatch.setattr(scanner.metadata, "version", lambda _: "99")
    assert judge_version(judges["code_security"]).startswith("bandit 99 ")


def test_the_toy_world_s_words_count(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = toy.ToyJudge(BATTERY)
    before = judge.version
    monkeypatch.setattr(toy, "lexicon_hash", lambda: "f" * 32)
    assert judge.version != before
