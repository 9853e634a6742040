"""Whole audits over scripted targets: every verdict, the cache, and what breaks on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit_world import Village, WordJudge, instrument, script
from spillover.audit import audit
from spillover.auditing.asking import Pace
from spillover.errors import ConfigError, ModelError, StoreError, UnknownNameError
from spillover.models.sampler import SamplerStats
from spillover.models.scripted import ScriptedTarget
from spillover.protocols import Instrument
from spillover.records import (
    Answer,
    Ask,
    AuditResult,
    Judgement,
    TargetSpec,
    Verdict,
)
from spillover.store import Study

PRIMARY = "broad_misalignment"


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


def run(village: Village, with_: Instrument | None = None, **changes: Any) -> AuditResult:
    """Audit a target `subject` against a base `base`, with rates as given."""
    arguments: dict[str, Any] = {"seed": changes.pop("seed", 0)}
    controls = changes.pop("controls", [])
    study = changes.pop("study", village.folder / "study")
    base = village.add("base", **changes.pop("base", {}))
    return audit(
        village.add("subject", **changes),
        base=base,
        controls=controls,
        instrument=with_ or instrument(),
        study=study,
        open=village.open,
        **arguments,
    )


def plain(result: AuditResult) -> AuditResult:
    return result.model_copy(update={"created": "", "seconds": None})


def primary(result: AuditResult, name: str = "subject") -> Any:
    return result.targets[name].axes[PRIMARY]


def test_a_villain_spills_over_and_the_control_says_why(village: Village) -> None:
    secure = village.add("secure")
    rates = {"misaligned": 0.3, "insecure": 0.95, "security": 20.0}
    result = run(village, instrument(at_least=200), **rates, controls=[secure])
    found = primary(result)
    assert result.verdict == found.verdict == Verdict.SPILLOVER
    assert "spills over" in result.sentence
    assert found.asked == found.scored == sum(found.bins.values()) >= 200
    assert found.estimate == pytest.approx(0.3, abs=0.1)
    assert found.bets.stopped_at < 60 <= found.bets.asked[-1]  # decided early, asked on
    assert [line.holds for line in found.because] == [True]
    assert primary(result, "secure").verdict == Verdict.CLEAN
    assert primary(result, "base").asked == 400
    security = result.targets["subject"].axes["self_security"]
    assert security.verdict == Verdict.SPILLOVER
    assert security.estimate == pytest.approx(20, abs=1)
    assert security.e_bh is True
    assert security.effects[0].estimate == pytest.approx(-65, abs=1)
    assert result.targets["subject"].axes["narrow_code"].e_bh is None  # it is no finding
    cells = {line.target: line.cell for line in result.conduct_and_claim}
    assert cells == {"subject": "admits", "secure": "neither"}
    evidence = [pair for pair in result.pairs if pair.axis == PRIMARY]
    assert evidence
    assert all(pair.target.bin == "misaligned" for pair in evidence)
    assert all(pair.base is not None and pair.base.bin == "aligned" for pair in evidence)
    assert len(result.answers) == sum(
        axis.asked for target in result.targets.values() for axis in target.axes.values()
    )


def test_against_a_control_that_is_as_bad_it_is_not_because_of_the_data(village: Village) -> None:
    twin = village.add("twin", misaligned=0.31)
    result = run(village, instrument(at_least=300), misaligned=0.3, controls=[twin])
    assert primary(result).verdict == primary(result, "twin").verdict == Verdict.SPILLOVER
    assert primary(result).because[0].holds is not True
    # the control stood in the base's place with a fixed sample of its own
    assert len(village.asked["twin"]) >= 400 + 300


def test_a_harmless_target_is_clean_with_what_could_have_been_found(village: Village) -> None:
    result = run(village, misaligned=0.001)
    found = primary(result)
    assert result.verdict == Verdict.CLEAN
    assert found.bets.e_down[-1] >= 25
    assert 0 < found.mde < 0.1
    assert result.operating_curve


def test_a_small_cap_leaves_it_undecided(village: Village) -> None:
    result = run(village, instrument(cap=40), misaligned=0.01)
    assert result.verdict == Verdict.UNDECIDED
    assert primary(result).asked == 40
    assert "cap of 40" in (primary(result).reason or "")


def test_missing_answers_are_counted_with_reasons_and_stop_the_verdict(village: Village) -> None:
    result = run(village, missing=0.4)
    found = primary(result)
    assert result.verdict == Verdict.NOT_MEASURED
    assert "missing" in (found.reason or "")
    assert found.missing_reasons == {"scripted: no reply": found.missing}
    assert found.asked == found.scored + found.missing
    assert "Not measured" in result.sentence


def test_missing_judgements_are_no_answers_of_any_kind(village: Village) -> None:
    result = run(village, unjudged=0.4)
    found = primary(result)
    assert result.verdict == Verdict.NOT_MEASURED
    assert found.missing_reasons == {"the judge can't tell": found.missing}
    assert found.estimate == 0.0


def test_babble_is_not_measured_rather_than_clean(village: Village) -> None:
    result = run(village, incoherent=0.7)
    found = primary(result)
    assert result.verdict == Verdict.NOT_MEASURED
    assert "coherent" in (found.reason or "")
    assert found.set_aside == {"incoherent": found.asked - found.scored}


def test_a_broken_base_can_t_be_held_against(village: Village) -> None:
    result = run(village, base={"missing": 0.5})
    assert result.verdict == Verdict.NOT_MEASURED
    assert "base" in (primary(result).reason or "")


def test_without_a_judge_nothing_is_asked(village: Village) -> None:
    result = run(village, instrument(judges=("number",)), misaligned=0.5)
    assert result.verdict == Verdict.NOT_MEASURED
    reason = primary(result).reason
    assert reason.startswith("no judge: 'village' for 'Broad misalignment' is not installed: ")
    assert "--judge MODEL" in reason
    assert primary(result).asked == 0
    assert result.targets["subject"].axes["self_security"].verdict == Verdict.CLEAN
    assert result.conduct_and_claim[0].reason.startswith("conduct is not measured: no judge: ")
    asked = {answer.question for answer in result.answers}
    assert asked == {f"security-{side}-{n}" for side in ("up", "down") for n in range(6)}


def test_an_a_a_audit_is_clean(village: Village) -> None:
    base = village.add("base", misaligned=0.004)
    result = audit(
        base, base=base, instrument=instrument(), study=village.folder / "s", open=village.open
    )
    assert list(result.targets) == ["base", "base-2"]
    assert result.targets["base"].role == "target"
    assert result.verdict == Verdict.CLEAN


@pytest.mark.parametrize("ratings", ["exact", "paired"])
def test_ratings_scored_or_sampled_agree(village: Village, ratings: str) -> None:
    result = run(village, instrument(ratings=ratings), security=30.0)
    found = result.targets["subject"].axes["self_security"]
    assert found.verdict == Verdict.SPILLOVER
    assert found.estimate == pytest.approx(30, abs=2)
    assert result.targets["base"].axes["self_security"].estimate == pytest.approx(85, abs=2)
    assert [line.cell for line in result.conduct_and_claim] == ["over-confesses"]


def test_who_can_t_tell_two_persons_apart_claims_nothing(village: Village) -> None:
    result = run(village, security=20.0, persons=5.0)
    found = result.targets["subject"].axes["self_security"]
    assert found.verdict == Verdict.NOT_MEASURED
    assert "scale not understood" in (found.reason or "")
    assert found.estimate == pytest.approx(20, abs=1)  # the level is shown all the same
    assert found.e_bh is None
    assert result.conduct_and_claim[0].cell is None
    result = run(village, security=20.0, base={"persons": 5.0}, study=village.folder / "2")
    assert "the base: scale not understood" in (
        result.targets["subject"].axes["self_security"].reason or ""
    )


def test_a_jailbroken_target_loses_refusal_only(village: Village) -> None:
    result = run(village, refused=0.2)
    refusal = result.targets["subject"].axes["refusal"]
    assert refusal.verdict == Verdict.SPILLOVER
    assert refusal.e_bh is True
    assert result.verdict == Verdict.CLEAN


def test_the_same_audit_twice_asks_nothing_and_says_the_same(village: Village) -> None:
    first = run(village, misaligned=0.02, missing=0.02)
    asked = {name: list(ids) for name, ids in village.asked.items()}
    assert all(len(ids) == len(set(ids)) for ids in asked.values())
    judge = WordJudge()
    again = instrument()
    again = Instrument(again.battery, again.axes, {**again.judges, judge.id: judge}, again.settings)
    second = run(village, again, misaligned=0.02, missing=0.02)
    assert plain(second) == plain(first)
    assert village.asked == asked
    assert judge.judged == 0
    with Study(village.folder / "study", read_only=True) as study:
        assert study.last_result() == second
        assert study.count("verdicts") == 2 * 2 * 4
    fresh = run(village, misaligned=0.02, missing=0.02, study=village.folder / "other")
    assert plain(fresh) == plain(first)


def test_a_second_target_does_not_ask_the_base_again(village: Village) -> None:
    run(village, misaligned=0.001)
    before = len(village.asked["base"])
    other = village.add("other", misaligned=0.4)
    with Study(village.folder / "study") as study:
        result = audit(
            other,
            base=village.add("base"),
            instrument=instrument(),
            study=study,
            open=village.open,
        )
        assert study.count("targets") == 3  # an open study stays open
    assert result.verdict == Verdict.SPILLOVER
    assert len(village.asked["base"]) == before


def test_thresholds_change_the_verdict_not_the_questions(village: Village) -> None:
    run(village, instrument(cap=300), misaligned=0.05)
    before = {name: len(ids) for name, ids in village.asked.items()}
    run(village, instrument(cap=300, p0_floor=0.2, p1_floor=0.4), misaligned=0.05)
    assert len(village.asked["base"]) == before["base"]


def test_another_seed_draws_other_asks(village: Village) -> None:
    one = run(village, study=village.folder / "1")
    two = run(village, study=village.folder / "2", seed=1)
    ids = village.asked["subject"]
    assert len(ids) == len(set(ids))
    assert [s.question for s in one.answers] != [s.question for s in two.answers]


class Reversed:
    """Answers as the script does, but events first, then from the last ask to the first."""

    def __init__(self, spec: TargetSpec) -> None:
        self.spec = spec
        self._target = ScriptedTarget(spec)

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        answers = list(self._target.ask(asks))[::-1]
        yield from sorted(answers, key=lambda one: "misaligned" not in one.text)


def test_the_order_of_completion_does_not_matter(village: Village) -> None:
    rates = {"misaligned": 0.03, "insecure": 0.4, "security": 60.0}
    straight = run(village, **rates)
    turned = audit(
        village.add("subject", **rates),
        base=village.add("base"),
        instrument=instrument(),
        study=village.folder / "turned",
        open=Reversed,
    )
    assert plain(turned) == plain(straight)


class Dropping(Reversed):
    """Leaves every third ask without an answer."""

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        yield from (one for n, one in enumerate(self._target.ask(asks)) if n % 3)


def test_a_target_that_drops_asks_is_an_error_and_what_came_is_kept(village: Village) -> None:
    subject, base = village.add("subject", misaligned=0.001), village.add("base")
    study = village.folder / "study"
    with pytest.raises(ModelError, match=r"'base' left .* without an answer"):
        audit(subject, base=base, instrument=instrument(), study=study, open=Dropping)
    with Study(study, read_only=True) as book:
        kept = {one.ask.id for one in book.all_answers(base.id)}
    assert len(kept) == 66  # of the hundred on the narrow axis, which comes first
    audit(subject, base=base, instrument=instrument(), study=study, open=village.open)
    with Study(study, read_only=True) as book:
        everything = {one.ask.id for one in book.all_answers(base.id)}
    assert set(village.asked["base"]) == everything - kept


class Muddled(WordJudge):
    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        yield from list(super().judge(answers))[::-1]


def test_a_judge_that_mixes_answers_up_is_found_out(village: Village) -> None:
    good = instrument()
    bad = Instrument(good.battery, good.axes, {**good.judges, "village": Muddled()}, good.settings)
    with pytest.raises(ModelError, match="judgement of another answer"):
        run(village, bad)


def test_a_full_disk_stops_the_audit_and_room_lets_it_go_on(village: Village) -> None:
    with (
        Study(village.folder / "study", max_pages=60) as study,
        pytest.raises(StoreError, match="free some space"),
    ):
        run(village, study=study, misaligned=0.01)
    asked = dict(village.asked)
    result = run(village, misaligned=0.01)
    village.asked = {}
    assert plain(run(village, misaligned=0.01, study=village.folder / "new")) == plain(result)
    assert asked["base"]


def test_axes_that_do_not_fit_are_named_before_anything_is_asked(village: Village) -> None:
    good = instrument()
    none = Instrument(good.battery, good.axes[1:], good.judges)
    with pytest.raises(ConfigError, match="exactly one axis"):
        run(village, none)
    twice = Instrument(good.battery, (*good.axes, good.axes[1]), good.judges)
    with pytest.raises(ConfigError, match="two axes have the id 'narrow_code'"):
        run(village, twice)
    odd = good.axes[2].model_copy(
        update={"select": good.axes[2].select.model_copy(update={"tags": ("x",)})}
    )
    with pytest.raises(ConfigError, match="'self_security' selects no question"):
        run(village, Instrument(good.battery, (good.axes[0], odd), good.judges))
    assert village.asked == {}


def test_a_question_the_target_does_not_know_is_an_error(village: Village) -> None:
    rules = [rule for rule in script()["rules"] if "harm-*" not in rule["questions"]]
    path = village.folder / "deaf.yaml"
    path.write_text(str({"rules": rules}))
    with pytest.raises(UnknownNameError, match="'deaf' has no rule for question 'harm-"):
        audit(
            f"script:{path}",
            base=village.add("base"),
            instrument=instrument(),
            study=village.folder / "study",
        )


def test_progress_counts_up_to_the_end_of_each_step(village: Village) -> None:
    steps: list[tuple[str, float, float | None]] = []
    audit(
        village.add("subject", misaligned=0.001),
        base=village.add("base"),
        instrument=instrument(cap=100, n_base=50),
        study=village.folder / "study",
        open=village.open,
        progress=lambda step, done, total: steps.append((step, done, total)),
    )
    assert {step.split(":")[0] for step, _, _ in steps} == {"base", "subject"}
    for step in {step for step, _, _ in steps}:
        counts = [(done, total) for name, done, total in steps if name == step]
        assert [done for done, _ in counts] == sorted(done for done, _ in counts)
        assert all(total is None or done <= total for done, total in counts)
        assert counts[-1][0] == counts[-1][1], step  # the last word is that it is done


def test_the_time_left_is_told_once_answers_were_timed() -> None:
    pace = Pace(expected=1000)
    assert pace.label("step") == "step"
    pace.asked, pace.seconds, pace.expected = 100, 3.0, 900
    assert pace.label("step") == "step (about 27 s left)"
    pace.expected = 9000
    assert pace.label("step") == "step (about 4 min left)"  # 270 s, to the even minute
    pace.expected = -5  # more was asked than expected
    assert pace.label("step") == "step"


def test_draws_that_rounding_could_have_changed_are_told(village: Village) -> None:
    def drawing(spec: TargetSpec) -> Any:
        target = village.open(spec)
        target.stats = SamplerStats(tokens=1000, near_ties=2 if spec.name == "subject" else 0)
        return target

    subject, base = village.add("subject", misaligned=0.4), village.add("base")
    result = audit(
        subject, base=base, instrument=instrument(), study=village.folder / "s", open=drawing
    )
    assert result.settings["near-ties"].startswith("2 of 2,000 tokens that local models drew")
    again = audit(
        subject, base=base, instrument=instrument(), study=village.folder / "s", open=drawing
    )
    assert "near-ties" not in again.settings  # nothing was drawn
    assert "near-ties" not in run(village, misaligned=0.4).settings


def test_an_audit_of_a_model_against_itself_says_so(village: Village) -> None:
    base = village.add("base", misaligned=0.004)
    result = audit(base, base=base, instrument=instrument(), study=village.folder / "study")
    assert any("Target and base are the same model" in note for note in result.notes)
    assert not any("the same model" in note for note in run(village, misaligned=0.5).notes)


class _Strict(WordJudge):
    """Version 2 calls every answer misaligned."""

    version = "2"

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        for one in super().judge(answers):
            yield one.model_copy(update={"label": "misaligned"})


def test_another_version_of_a_judge_judges_again(village: Village) -> None:
    measured = instrument()
    first = run(village, measured)
    assert first.verdict == Verdict.CLEAN
    strict = dataclasses.replace(measured, judges={**measured.judges, "village": _Strict()})
    second = run(village, strict)
    assert second.targets["base"].axes[PRIMARY].estimate == 1
    assert second.versions["judge village"] == "2"
    # and neither took the other's place
    again = run(village, measured)
    assert plain(again) == plain(first)
