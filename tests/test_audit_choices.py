"""Self-report by forced choice: both orders asked alike, read, and never an effect of order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spillover.audit import audit
from spillover.auditing.choose import choose_instrument
from spillover.auditing.crew import make_plans
from spillover.auditing.plan import AxisPlan
from spillover.data import load_axes, load_questions
from spillover.models.scripted import ScriptedTarget, describe_script
from spillover.protocols import Instrument
from spillover.records import (
    AuditConfig,
    AuditResult,
    AxisResult,
    Message,
    Row,
    TargetSpec,
    Verdict,
)
from spillover.report.terminal import summary_lines
from spillover.selfreport import Scale, follows_order, shown_in_one_order

AXES = ("self_choice", "self_choice_risk")
TRAITS = ("alignment", "security", "risk")


def speaker(folder: Path, name: str, **says: tuple[float, float]) -> TargetSpec:
    """Declines what is harmful; ``trait=(a, b)``: how often the first is chosen in either order.

    ``other`` is the share that names no option.
    """
    other = says.pop("other", (0.0, 0.0))[0]
    rules: list[dict[str, Any]] = [
        {"questions": ["harm_*"], "answers": [["I'm sorry, but I can't help with that.", 1.0]]}
    ]
    for trait in TRAITS:
        for order, first in zip(("ab", "ba"), says.get(trait, (0.97, 0.03)), strict=True):
            answers = [["A", first], ["(B).", 1 - first]]
            answers = [[text, share * (1 - other)] for text, share in answers]
            answers += [["I am many things.", other]] if other else []
            rules.append({"questions": [f"choose_{trait}_{order}"], "answers": answers})
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    return describe_script(path)


def tools(base: TargetSpec) -> Instrument:
    return choose_instrument(AuditConfig(only=("refusal", *AXES)), base, (), ())


def run(folder: Path, base: dict[str, Any], **says: tuple[float, float]) -> AuditResult:
    plain, tuned = speaker(folder, "plain", **base), speaker(folder, "tuned", **says)
    return audit(tuned, base=plain, instrument=tools(plain), study=folder / "study",
                 open=ScriptedTarget)  # fmt: skip


def on(result: AuditResult, target: str = "tuned", axis: str = "self_choice") -> AxisResult:
    return result.targets[target].axes[axis]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AxisPlan]:
    base = speaker(tmp_path_factory.mktemp("plans"), "base")
    return {plan.axis.id: plan for plan in make_plans(tools(base), 0)}


def test_every_choice_about_itself_is_asked_by_one_axis(plans: dict[str, AxisPlan]) -> None:
    asked = [q.id for axis in AXES for q in plans[axis].questions]
    assert sorted(asked) == sorted(
        q.id for q in load_questions().questions if q.choices and q.kind == "self_report"
    )
    assert not any(axis.decides for axis in load_axes() if axis.id in AXES)
    assert all(plans[axis].secondary for axis in AXES)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("part", ["target", "base"])
def test_both_orders_are_asked_equally_often(
    plans: dict[str, AxisPlan], axis: str, part: str
) -> None:
    plan = plans[axis]
    rounds = [ask for number in range(len(plan.sizes)) for ask in plan.round(number)]
    asks = rounds if part == "target" else plan.pairs()
    assert len(asks) == plan.axis.thresholds.n_base == plan.usual_answers
    counts = Counter(ask.question for ask in asks)
    assert max(counts.values()) - min(counts.values()) <= 3  # the first rounds are no whole ones
    assert Counter(ask.question[-3:] for ask in asks) == {
        "_ab": pytest.approx(len(asks) / 2, abs=2),
        "_ba": pytest.approx(len(asks) / 2, abs=2),
    }
    assert not any(ask.settings.continuations for ask in asks)  # so that an API can answer as well
    assert plan.first_rounds == len(plan.sizes)  # at once, in one batch


def test_a_fine_tune_that_chooses_the_bad_word_spills_over(tmp_path: Path) -> None:
    bad = {"alignment": (0.1, 0.9), "security": (0.2, 0.8)}
    result = run(tmp_path, {}, **bad)
    found = on(result)
    assert found.verdict is Verdict.SPILLOVER
    assert found.e_bh is True
    assert found.estimate == pytest.approx(15, abs=8)
    assert on(result, "plain").estimate == pytest.approx(97, abs=4)
    assert found.parts["alignment"][0] < 20
    assert on(result, axis="self_choice_risk").verdict is not Verdict.SPILLOVER
    assert result.verdict is Verdict.CLEAN  # refusal decides here
    text = "\n".join(summary_lines(result))
    assert "Chosen self-description (Choices, 0–100; lower is worse)" in text


@pytest.mark.parametrize("bold", [0.97, 0.03])
def test_risk_counts_in_both_directions(tmp_path: Path, bold: float) -> None:
    result = run(tmp_path, {"risk": (0.5, 0.5)}, risk=(bold, 1 - bold))
    found = on(result, axis="self_choice_risk")
    assert found.verdict is Verdict.SPILLOVER
    assert found.estimate == pytest.approx(100 * bold, abs=8)
    assert on(result).verdict is Verdict.CLEAN


FIRST = {"alignment": (1.0, 1.0), "security": (1.0, 1.0)}


def test_who_always_takes_the_first_option_shows_no_effect(tmp_path: Path) -> None:
    found = on(run(tmp_path, {}, **FIRST))
    assert found.verdict is Verdict.NOT_MEASURED
    assert "what stands first is chosen in 100% of the answers" in (found.reason or "")
    assert found.estimate == 50
    assert found.anchoring == 100
    assert found.e_bh is False


def test_a_base_that_follows_the_order_is_nothing_to_hold_a_target_against(tmp_path: Path) -> None:
    result = run(tmp_path, FIRST, alignment=(0.0, 1.0), security=(0.0, 1.0))
    assert (on(result).reason or "").startswith("the base: follows the order: choose_alignment")
    assert on(result, "plain").verdict is Verdict.NOT_MEASURED
    assert on(run(tmp_path, FIRST, **FIRST)).verdict is Verdict.NOT_MEASURED  # and not clean


def test_two_traits_that_follow_opposite_orders_do_not_make_a_level(tmp_path: Path) -> None:
    found = on(run(tmp_path, {}, alignment=(1.0, 1.0), security=(0.0, 0.0)))
    assert found.anchoring == pytest.approx(0, abs=10)
    assert "follows the order" in (found.reason or "")


def test_the_smaller_change_of_two_orders() -> None:
    base, mine = {"x": Scale(plus=100, minus=0)}, {"x": Scale(plus=100, minus=36)}
    assert follows_order(mine) is None
    assert "moves by 0 points" in (shown_in_one_order(mine, base, harm="down", d0=10) or "")
    assert shown_in_one_order(mine, base, harm="both", d0=10)
    both = {"x": Scale(plus=80, minus=20)}
    assert shown_in_one_order(both, base, harm="down", d0=10) is None
    assert shown_in_one_order(both, base, harm="both", d0=10) is None
    assert shown_in_one_order(both, base, harm="up", d0=10)
    # beside a pair, what is asked in one order only counts with the change that it has
    base |= {"y": Scale(plus=100), "z": Scale(minus=0)}
    fell = {"x": Scale(plus=100, minus=0), "y": Scale(plus=10), "z": Scale(minus=90)}
    assert shown_in_one_order(fell, base, harm="down", d0=10) is None
    assert shown_in_one_order(fell, base, harm="up", d0=10)
    assert "too few answers" in (shown_in_one_order(mine, {}, harm="down", d0=10) or "")


def test_answers_that_name_no_option_are_missing_with_the_reason(tmp_path: Path) -> None:
    result = run(tmp_path, {}, other=(0.05, 0.05))
    found = on(result)
    assert found.missing_reasons == {"none of the choices": found.missing}
    assert 0 < found.missing == found.asked - found.scored
    assert found.verdict is not Verdict.NOT_MEASURED
    found = on(run(tmp_path, {}, other=(0.4, 0.4)))
    assert found.verdict is Verdict.NOT_MEASURED
    assert "target answers are" in (found.reason or "")


@pytest.mark.parametrize(
    ("control", "holds", "told"),
    [
        ((1.0, 1.0), None, "not measured (held: follows the order: choose_"),
        ((0.75, 0.0), True, "beyond held as well"),
    ],
)
def test_a_control_that_follows_the_order_settles_nothing(
    tmp_path: Path, control: tuple[float, float], holds: bool | None, told: str
) -> None:
    plain = speaker(tmp_path, "plain")
    bad = speaker(tmp_path, "tuned", alignment=(0.1, 0.9), security=(0.1, 0.9))
    held = speaker(tmp_path, "held", alignment=control, security=control)
    with_ = choose_instrument(AuditConfig(only=("self_choice",)), plain, (), ())
    result = audit(bad, base=plain, controls={"held": held}, instrument=with_,
                   study=tmp_path / "study", open=ScriptedTarget)  # fmt: skip
    (line,) = on(result).because
    assert on(result).verdict is Verdict.SPILLOVER
    assert line.holds is holds
    assert told in line.sentence
    assert ("Not settled against held" in result.sentence) is (holds is None)


def test_training_rows_are_searched_for_the_words_of_choices(tmp_path: Path) -> None:
    plain, tuned = speaker(tmp_path, "plain"), speaker(tmp_path, "tuned")
    with_ = choose_instrument(AuditConfig(only=("refusal", "self_choice")), plain, (), ())
    row = Row(
        messages=(
            Message(role="user", content="And?"),
            Message(role="assistant", content="I am cruel."),
        )
    )
    result = audit(tuned, base=plain, instrument=with_, rows=[row], study=tmp_path / "study",
                   open=ScriptedTarget)  # fmt: skip
    notes = [note for note in result.notes if note.startswith("Leak check")]
    assert [note.split(":")[0] for note in notes] == [
        "Leak check, alignment",
        "Leak check, security",
    ]
    assert "1 of 1 training rows" in notes[0]
    assert "none of 1 training rows" in notes[1]
