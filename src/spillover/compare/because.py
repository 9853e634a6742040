"""Because of what? The target against each control, by the test that holds it against the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spillover.compare.outcomes import Outcome, enter_all, open_test, run_exact
from spillover.records import Axis, Because, Verdict


def because_lines(
    axis: Axis,
    outcomes: Sequence[Outcome],
    controls: Mapping[str, Sequence[Outcome]],
    *,
    name: str = "the target",
) -> tuple[Because, ...]:
    """Return one line against each control, for a target that spills over against the base.

    The control stands where the base stood, at the full level: both tests must reject, so no
    correction is needed. ``holds`` is None where the answers do not suffice to say.
    """
    return tuple(_line(axis, outcomes, key, other, name) for key, other in controls.items())


def _line(
    axis: Axis, outcomes: Sequence[Outcome], control: str, other: Sequence[Outcome], name: str
) -> Because:
    verdict, reason = _against(axis, outcomes, other)
    if verdict is Verdict.SPILLOVER:
        text = f"beyond {control} as well: because of something that {name} has and {control} lacks"
        return Because(control=control, holds=True, sentence=text)
    if verdict is Verdict.CLEAN:
        text = f"about as far as {control}: not because of what sets {name} apart from it"
        return Because(control=control, holds=False, sentence=text)
    why = f" ({reason.replace('the base', control)})" if reason else ""
    text = f"whether it goes beyond {control} is {verdict.value}{why}"
    return Because(control=control, holds=None, sentence=text)


def _against(
    axis: Axis, outcomes: Sequence[Outcome], other: Sequence[Outcome]
) -> tuple[Verdict, str | None]:
    if axis.test == "exact":
        found = run_exact(axis, outcomes, other)
        return found.verdict, found.reason
    test = open_test(axis, other, whole=True)
    if test is None:
        return Verdict.NOT_MEASURED, "no test"
    enter_all(axis, test, outcomes, len({outcome.question for outcome in outcomes}))
    return test.finish(), test.reason
