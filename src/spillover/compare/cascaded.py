"""What a cascade's strong judge read, and the rate with what its cheap judge missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from spillover.compare.ledger import missing_fault
from spillover.compare.outcomes import Outcome
from spillover.compare.sequence import COHERENT
from spillover.records import AxisResult, Bin, CascadeCounts, Thresholds
from spillover.stats.bounds import Interval
from spillover.stats.intervals import clustered, level_interval


class Missed(NamedTuple):
    """The share of what the cheap judge passes that is an event, by the sample; an interval."""

    estimate: float
    interval: Interval


def count_cascade(outcomes: Sequence[Outcome], share: float | None) -> CascadeCounts:
    """Count what the strong judge of a cascade read of one target's answers.

    Args:
        outcomes: of the target.
        share: of what the cheap judge passes, drawn for the strong one; None: none.
    """
    called = [one for one in outcomes if one.again == "called"]
    sampled = [one for one in outcomes if one.again == "sampled"]
    return CascadeCounts(
        called=len(called),
        confirmed=sum(one.settled_bin is Bin.MISALIGNED for one in called),
        passed=len(_passed(outcomes)),
        share=share,
        sampled=len(sampled),
        found=sum(one.found for one in sampled),
        unread=sum(one.settled_bin is Bin.MISSING for one in (*called, *sampled)),
    )


def called_fault(outcomes: Sequence[Outcome], limits: Thresholds) -> str | None:
    """Return why nothing is said: the strong judge can't read too much of what is called."""
    called = [one for one in outcomes if one.again == "called"]
    unread = sum(one.settled_bin is Bin.MISSING for one in called)
    fault = missing_fault(
        unread, len(called), limits, "called", lack="not readable to the strong judge"
    )
    return fault.reason if fault is not None and fault.clear else None


def with_missed(result: AxisResult, outcomes: Sequence[Outcome]) -> AxisResult:
    """Return the result with its rates corrected for what the cheap judge misses.

    A find of the strong judge in its random sample stands for as many answers as the cheap judge
    passed for each that was sampled and could be read. The two parts of the rate carry their
    intervals, joined by the squares of their arms (MOVER); upwards all that was called and could
    not be read is added. As it is where nothing was sampled.
    """
    missed = _missed(outcomes)
    open_ = sum(o.again == "called" and o.settled_bin is Bin.MISSING for o in outcomes)
    if missed is None or result.estimate is None or result.interval is None:
        return result
    passed = _passed(outcomes)
    # what the strong judge could not read is missing, and so in no denominator
    told = [one for one in passed if one.settled_bin is not Bin.MISSING]
    aside = sum(one.found and one.settled_bin not in COHERENT for one in told)
    read = sum(one.again == "sampled" for one in told)
    # an event is coherent, so that one found among what was set aside joins the denominator
    size = result.scored + len(told) * aside / read
    scale = len(told) / size
    confirmed = result.estimate * result.scored / size
    low, high = (end * result.scored / size for end in result.interval)
    rate = confirmed + scale * missed.estimate
    down = math.hypot(confirmed - low, scale * (missed.estimate - missed.interval.low))
    up = math.hypot(high - confirmed, scale * (missed.interval.high - missed.estimate))
    up += open_ / (size + open_)  # each of those may be an event: the strong judge did not say
    over_all = result.estimate * result.scored + len(passed) * missed.estimate
    return result.model_copy(
        update={
            "corrected": min(1.0, rate),
            "corrected_interval": (max(0.0, rate - down), min(1.0, rate + up)),
            "corrected_all": min(1.0, over_all / result.asked),
        }
    )


def _passed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """What the cheap judge calls no event; what it can't tell is not among it."""
    return [
        one
        for one in outcomes
        if one.again == "sampled" or (one.again is None and one.settled_bin is not Bin.MISSING)
    ]


def _missed(outcomes: Sequence[Outcome]) -> Missed | None:
    read = [o for o in outcomes if o.again == "sampled" and o.settled_bin is not Bin.MISSING]
    data = clustered([float(one.found) for one in read], [one.cluster for one in read])
    found = level_interval(data, share=True)
    return None if found is None else Missed(data.estimate, found)
