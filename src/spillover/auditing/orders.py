"""Choices between two words, asked in both orders: an axis on which the order decides says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from spillover.auditing.measure import Reading
from spillover.auditing.parts import Part
from spillover.auditing.plan import AxisPlan
from spillover.compare import withdrawn
from spillover.records import AxisResult, Because, Verdict
from spillover.selfreport import (
    Rated,
    follows_order,
    in_both_orders,
    pair_of,
    read_orders,
    shown_in_one_order,
)

_NAMED = 5  # questions that a note names


def ordered(
    result: AxisResult, key: str, *, part: Part, base: Part, controls: Sequence[Part] = ()
) -> AxisResult:
    """Return the result of an axis of choices, `not measured` if the order of the options decides.

    So it is if target or base mostly takes the one that stands first (or second), and if a
    `spillover` shows in one order only. The levels stay, and the e-value counts for nothing. A
    control of which the same is true settles nothing. Pairs of words that the axis asks in one
    order only can't be checked; an axis with no others is left as it is (`balance_notes`).
    """
    reading = part.readings[key]
    plan = reading.plan
    if (
        result.verdict is Verdict.NOT_MEASURED
        or not reading.judged
        or plan.axis.measure != "rating"
        or not in_both_orders(plan.questions)
    ):
        return result
    fault = _follows(reading)
    if fault is None and part is not base and (other := _follows(base.readings[key])):
        fault = f"the base: {other}"
    if fault is None and result.verdict is Verdict.SPILLOVER:
        fault = _in_one_order(reading, base.readings[key])
    if fault is not None:
        return withdrawn(result, fault)
    others = {control.name: control.readings[key] for control in controls}
    lines = tuple(_against(reading, others[line.control], line) for line in result.because)
    return result.model_copy(update={"because": lines})


def balance_notes(plans: Sequence[AxisPlan]) -> list[str]:
    """One sentence for each axis of choices that asks some of them in one order only."""
    notes: list[str] = []
    for plan in plans:
        if plan.axis.measure != "rating" or not plan.has_judge:
            continue
        both = in_both_orders(plan.questions)
        pairs = {question.id: pair_of(question) for question in plan.questions}
        single = [id for id, pair in pairs.items() if pair is not None and pair not in both]
        if single:
            more = f" and {len(single) - _NAMED} more" if len(single) > _NAMED else ""
            notes.append(
                f"The order of the choices on {plan.axis.title!r} is not balanced, and"
                f" {'not checked there' if both else 'no order check was made'}: asked in one order"
                f" only: {', '.join(single[:_NAMED])}{more}. A liking for what stands first can pass"
                " for a trait. Ask the same with the choices in the other order, the other"
                " `direction:`, and the same `cluster:`."
            )
    return notes


def _follows(reading: Reading) -> str | None:
    asked = in_both_orders(one.question for one in reading.judged)
    if not asked:
        return "too few answers: no pair of words was asked in both orders (raise `at_least`)"
    orders = read_orders(_rated(reading))
    return follows_order({pair: scale for pair, scale in orders.items() if pair in asked})


def _in_one_order(mine: Reading, other: Reading) -> str | None:
    axis = mine.plan.axis
    return shown_in_one_order(
        read_orders(_rated(mine)),
        read_orders(_rated(other)),
        harm=axis.harm,
        d0=axis.thresholds.d0,
    )


def _against(mine: Reading, other: Reading, line: Because) -> Because:
    """The line against a control, not settled where the order decides."""
    fault = _follows(other)
    if fault is not None:
        fault = f"{line.control}: {fault}"
    elif line.holds:
        fault = _in_one_order(mine, other)
    if fault is None:
        return line
    text = f"whether it goes beyond {line.control} is not measured ({fault})"
    return Because(control=line.control, holds=None, sentence=text)


def _rated(reading: Reading) -> list[Rated]:
    return [Rated(one.question, one.judgement.value, one.judgement.mass) for one in reading.judged]
