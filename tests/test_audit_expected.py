"""What is said before an audit begins: how many answers, and how long at the pace of the study."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from audit_world import Village, instrument
from cli_helper import run
from spillover.audit import audit
from spillover.auditing.asking import Pace
from spillover.auditing.crew import expected_answers, make_plans
from spillover.auditing.expected import Expected, expect
from spillover.errors import StoreError
from spillover.records import AxisPace
from spillover.store import Study, put_pace, read_pace

TOOLS = instrument(n_base=100, cap=200)
PERSONS = 4  # questions about the two persons, each in two paraphrases


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


def test_before_the_first_audit_answers_are_counted_and_no_time_is_made_up(
    village: Village,
) -> None:
    base, tuned = village.add("base"), village.add("tuned", refused=0.85)
    with Study(village.folder / "study") as study:
        found = expect(TOOLS, 0, study, base, [tuned])
        both = expect(TOOLS, 0, study, base, [None, None])
    assert found is not None
    plans = make_plans(TOOLS, 0)
    mine = {plan.axis.id: plan for plan in plans}
    # the base as it is asked, the target to the end of the round that has the usual number
    usual = {"broad_misalignment": 200, "narrow_code": 66, "self_security": 24, "refusal": 66}
    base_asked = 100 + 100 + 24 + 200 + 2 * PERSONS
    assert found.answers == base_asked + sum(usual.values()) + 2 * PERSONS
    assert abs(found.answers - expected_answers(plans, 1)) < 30
    caps = sum(sum(plan.sizes) for plan in plans if plan.style != "exact")
    assert found.most == base_asked + caps + 24 + 2 * PERSONS
    assert (found.trainings, found.seconds) == (0, None)
    assert found.sentence == (
        f"about {found.answers} answers to come, at most {found.most}; how long they take is told"
        " once 20 have come"
    )
    assert both is not None
    assert both.trainings == 2
    assert both.answers - found.answers == sum(usual.values()) + 2 * PERSONS
    # a control may stand in the base's place
    assert (
        both.most - found.most == caps + 24 + 2 * PERSONS + mine["broad_misalignment"].base_answers
    )


def test_axes_without_a_judge_are_not_asked_and_not_expected(village: Village) -> None:
    tools = instrument(judges=("number",))
    with Study(village.folder / "study") as study:
        found = expect(tools, 0, study, village.add("base"), [village.add("tuned")])
    assert found is not None
    assert found.answers == found.most == 2 * (24 + 2 * PERSONS)
    assert expected_answers(make_plans(tools, 0), 1) == 2 * 24


def test_a_second_audit_is_told_by_the_pace_of_the_first(village: Village) -> None:
    base, tuned = village.add("base", delay=0.001), village.add("tuned", delay=0.001, refused=0.85)
    folder = village.folder / "study"
    started = time.monotonic()
    audit(tuned, base=base, instrument=TOOLS, study=folder, open=village.open)
    took = time.monotonic() - started
    pace = read_pace(folder, base.id)
    assert set(pace) >= {axis.id for axis in TOOLS.axes}
    assert sum(one.answers for one in pace.values()) == sum(map(len, village.asked.values()))
    assert (
        0.001 * sum(map(len, village.asked.values())) < sum(p.seconds for p in pace.values()) < took
    )
    other = village.add("other", delay=0.001, misaligned=0.5)
    with Study(folder) as study:
        assert expect(TOOLS, 0, study, base, [tuned]) is None  # nothing is to come
        found = expect(TOOLS, 0, study, base, [other])
        unmeasured = expect(TOOLS, 0, study, tuned, [other])
    assert found is not None
    assert found.seconds == pytest.approx(
        sum(left * pace[key].seconds / pace[key].answers for key, left in {
            "broad_misalignment": 200, "narrow_code": 66, "self_security": 24 + 2 * PERSONS,
            "refusal": 66,
        }.items())
    )  # fmt: skip
    assert found.sentence.endswith("s at the pace of this study")
    assert unmeasured is not None
    assert unmeasured.seconds is None  # another base, another pace


def test_an_interrupted_audit_counts_what_is_left(village: Village) -> None:
    base, tuned = village.add("base"), village.add("tuned", refused=0.85)
    with Study(village.folder / "study") as study:
        whole = expect(TOOLS, 0, study, base, [tuned])
        asks = next(p for p in make_plans(TOOLS, 0) if p.axis.id == "refusal").pairs()[:50]
        study.put_target(base)
        list(study.keep_answers(village.open(base).ask(asks)))
        left = expect(TOOLS, 0, study, base, [tuned])
    assert whole is not None
    assert left is not None
    assert whole.answers - left.answers == 50


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Expected(1, 3900, 12000, 150.0),
         "up to 1 fine-tuning and about 3,900 answers to come, at most 12,000; 2 min at the pace of"
         " this study, fine-tuning apart"),
        (Expected(0, 40, 40, 3.2), "about 40 answers to come; 3 s at the pace of this study"),
        (Expected(6, 40, 40, None),
         "up to 6 fine-tunings and about 40 answers to come; how long they take is told once 20 have"
         " come"),
    ],
)  # fmt: skip
def test_it_is_one_sentence(found: Expected, sentence: str) -> None:
    assert found.sentence == sentence


def test_judging_takes_part_in_the_pace_and_loading_does_not() -> None:
    pace = Pace(expected=100)
    with pace.timing("x"):
        pass
    assert not pace.axes  # nothing was asked
    with pace.timing("x"):
        time.sleep(0.02)
        pace.opening += 0.015
        pace.asked += 30
    assert pace.axes["x"].answers == 30
    assert 0.004 < pace.axes["x"].seconds < 0.015
    assert pace.seconds == pytest.approx(pace.axes["x"].seconds)


def test_what_is_known_of_the_pace_may_be_lost(tmp_path: Path) -> None:
    assert read_pace(tmp_path, "b") == {}
    one, other = AxisPace(answers=9, seconds=1.5), AxisPace(answers=20, seconds=2)
    put_pace(tmp_path, "b", {"x": one, "y": one})
    put_pace(tmp_path, "b", {"y": other})
    put_pace(tmp_path, "c", {"x": other})
    assert read_pace(tmp_path, "b") == {"x": one, "y": other}
    (tmp_path / "pace.json").write_text("{")
    assert read_pace(tmp_path, "b") == {}
    put_pace(tmp_path, "b", {"x": one})
    assert read_pace(tmp_path, "b") == {"x": one}
    put_pace(tmp_path / "pace.json", "b", {"x": one})  # no folder: no error
    with pytest.raises(StoreError):
        Study(tmp_path / "pace.json")


def test_the_command_says_it_first_and_json_stays_json(
    village: Village, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(village.folder)
    text = json.dumps(
        {
            "rules": [
                {"questions": ["*"], "answers": [["I'm sorry, but I can't help with that.", 1]]}
            ]
        }
    )
    for name in ("base", "tuned"):
        Path(f"{name}.yaml").write_text(text + " " * len(name), encoding="utf-8")
    command = [
        "audit",
        "script:tuned.yaml",
        "--base",
        "script:base.yaml",
        "--only",
        "refusal",
        "--json",
    ]
    code, out, err = run(command, capsys)
    assert code == 0
    assert json.loads(out)["verdict"] == "clean"
    # base 120, target to the round that has 60
    assert err.splitlines()[0] == (
        "note: about 184 answers to come, at most 240; how long they take is told once 20 have come"
    )
    code, out, err = run(command, capsys)
    assert (code, err) == (0, "")  # there is nothing to come
    Path("other.yaml").write_text(text + "\n", encoding="utf-8")
    _, _, err = run(["audit", "script:other.yaml", *command[2:]], capsys)
    assert err.splitlines()[0] == (
        "note: about 64 answers to come, at most 120; under 1 s at the pace of this study"
    )
