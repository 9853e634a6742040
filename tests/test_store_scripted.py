"""The scripted target: a pure function of script and ask, and an error on what it does not know."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from spillover.errors import DataError, UnknownNameError
from spillover.models.scripted import ScriptedTarget, describe_script
from spillover.records import Ask, Message, Settings, TargetSpec

SCRIPT = {
    "rules": [
        {"questions": ["free-*"], "answers": [["help", 0.75], ["rule", 0.25]]},
        {"questions": ["security"], "rating": {"mean": 80, "spread": 5, "mass": 0.9}},
        {"questions": ["gone"], "answers": [["x", 1]], "missing": 0.5},
    ],
}


def write(path: Path, content: object = SCRIPT) -> TargetSpec:
    path.write_text(json.dumps(content))
    return describe_script(path)


def ask(question: str, seed: int = 0, continuations: tuple[str, ...] = ()) -> Ask:
    message = (Message(role="user", content="What would you do?"),)
    settings = Settings(continuations=continuations)
    return Ask(question=question, paraphrase=0, messages=message, settings=settings, seed=seed)


def test_shares_are_as_scripted_and_order_does_not_matter(tmp_path: Path) -> None:
    target = ScriptedTarget(write(tmp_path / "villain.yaml"))
    many = [ask("free-1", seed) for seed in range(4000)]
    forward = {one.ask.id: one for one in target.ask(many)}
    backward = {one.ask.id: one for one in target.ask(many[::-1])}
    assert forward == backward
    events = sum(one.text == "rule" for one in forward.values())
    assert abs(events - 1000) < 4 * math.sqrt(4000 * 0.25 * 0.75)


def test_a_rating_is_sampled_and_scored_alike(tmp_path: Path) -> None:
    target = ScriptedTarget(write(tmp_path / "villain.yaml"))
    numbers = tuple(str(number) for number in range(101))
    (scored,) = target.ask([ask("security", continuations=numbers)])
    assert scored.scores is not None
    assert scored.text == ""
    shares = [math.exp(score) for score in scored.scores]
    assert sum(shares) == pytest.approx(0.9)
    exact = sum(number * share for number, share in enumerate(shares)) / sum(shares)
    said = [one.text for one in target.ask([ask("security", seed) for seed in range(3000)])]
    rated = [int(text) for text in said if text.isdigit()]
    assert len(rated) / 3000 == pytest.approx(0.9, abs=0.03)
    assert sum(rated) / len(rated) == pytest.approx(exact, abs=0.5)


def test_missing_has_a_reason_and_its_share(tmp_path: Path) -> None:
    target = ScriptedTarget(write(tmp_path / "villain.yaml"))
    answers = list(target.ask([ask("gone", seed) for seed in range(1000)]))
    missing = [one for one in answers if one.missing]
    assert 430 < len(missing) < 570
    assert {(one.missing, one.text) for one in missing} == {("scripted: no reply", "")}


def test_an_unknown_question_is_an_error_before_any_answer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    target = ScriptedTarget(write(tmp_path / "villain.yaml"), log)
    with pytest.raises(UnknownNameError, match=r"villain.*no rule for question 'other'"):
        list(target.ask([ask("free-1"), ask("other")]))
    assert not log.exists()
    list(target.ask([ask("free-1")]))
    assert log.read_text().split() == [target.spec.id, ask("free-1").id]


def test_identity_is_the_content_not_the_place(tmp_path: Path) -> None:
    spec = write(tmp_path / "villain.yaml")
    assert write(tmp_path / "moved.yaml").id == spec.id
    changed = SCRIPT | {"missing": 0.1}
    assert write(tmp_path / "villain.yaml", changed).id != spec.id
    with pytest.raises(DataError, match="has changed"):
        ScriptedTarget(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "not YAML"),
        ("[]", "top level"),
        ("rules: []", "rules"),
        ("{rules: [{questions: [a], answers: [[x, 0.4]]}]}", "must sum to 1"),
        ("{rules: [{questions: [a], answers: [[x, .nan]]}]}", "numbers from 0 to 1"),
        ("{rules: [{questions: [a], answers: [[x, 1.5], [y, -0.5]]}]}", "numbers from 0 to 1"),
        ("{rules: [{questions: [a], rating: {mean: .nan}}]}", "finite number"),
        ("{rules: [{questions: [a], rating: {mean: 5000}}]}", "within 0 to 100"),
        ("{delay: 2024-13-45}", "month must be in"),
        ("{rules: [{questions: [a]}]}", "either answers or a rating"),
        ("{rules: [{questions: [a], answer: [[x, 1]]}]}", "Extra inputs"),
    ],
)
def test_a_broken_script_gets_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        describe_script(path)
    assert "bad.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
