"""Choices between two words, asked in both orders: an axis on which the order decides says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from spillover.auditing.measure import Reading
from spillover.auditing.parts import Part
from spillover.compare import withdrawn
from spillover.records import AxisResult, Verdict
from spillover.selfreport import Rated, Scale, follows_order, read_orders, shown_in_one_order


def ordered(part: Part, base: Part, key: str, result: AxisResult) -> AxisResult:
    """Return the result of an axis of choices, `not measured` if the order of the options decides.

    So it is if target or base mostly takes the one that stands first (or second), and if a
    `spillover` shows in one order only. The levels stay, and the e-value counts for nothing.
    """
    reading = part.readings[key]
    if result.verdict is Verdict.NOT_MEASURED or not reading.judged or not _of_choices(reading):
        return result
    mine, theirs = _orders(reading), _orders(base.readings[key])
    fault = follows_order(mine)
    if fault is None and part is not base and (other := follows_order(theirs)):
        fault = f"the base: {other}"
    axis = reading.plan.axis
    if fault is None and result.verdict is Verdict.SPILLOVER:
        fault = shown_in_one_order(mine, theirs, harm=axis.harm, d0=axis.thresholds.d0)
    return result if fault is None else withdrawn(result, fault)


def _of_choices(reading: Reading) -> bool:
    plan = reading.plan
    return plan.axis.measure == "rating" and all(len(q.choices) == 2 for q in plan.questions)


def _orders(reading: Reading) -> Mapping[str, Scale]:
    return read_orders(
        Rated(one.question, one.judgement.value, one.judgement.mass) for one in reading.judged
    )
