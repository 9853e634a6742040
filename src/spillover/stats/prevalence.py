"""The true rate behind a judged one: how often a judge hits and errs, and rates corrected for it.

A judge with sensitivity s (share of the events that it calls events) and false-positive rate f
shows a rate p = s r + f (1 - r) where the true rate is r (Rogan & Gladen 1978, American Journal
of Epidemiology 107). Intervals of s and f come from answers that were labelled by hand.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from spillover.errors import MissingExtraError
from spillover.stats.bounds import Interval, clopper_pearson, t_quantile

ERROR = 0.025
LARGE_DF = 1e9  # Student's t with so many degrees of freedom is the normal distribution


class Share(NamedTuple):
    """A share between 0 and 1 with its interval."""

    estimate: float
    low: float
    high: float

    @property
    def complement(self) -> Share:
        """Of the opposite: 1 - share."""
        return Share(1 - self.estimate, 1 - self.high, 1 - self.low)


class Stratum(NamedTuple):
    """Answers that a judge puts in one bin, of which some were drawn and labelled by hand.

    Attributes:
        size: how many answers the bin has in what was drawn from (the sum of their weights).
        labelled: how many of them were labelled.
        events: how many of those are events by the label.
        called: whether the judge calls the bin's answers events.
    """

    size: float
    labelled: int
    events: int
    called: bool


def counted_share(events: int, total: int, *, error: float = ERROR) -> Share | None:
    """Return a share from a simple random sample with its exact bounds; None with nothing counted.

    Args:
        events: how many of ``total``.
        total: how many there were.
        error: chance, per side, that a bound is wrong.
    """
    if not total:
        return None
    found = clopper_pearson(events, total, error=error)
    return Share(events / total, found.low, found.high)


def wilson(events: float, total: float, *, error: float = ERROR) -> Share:
    """Return a share with its score interval (Wilson 1927, JASA 22)."""
    z2 = t_quantile(LARGE_DF, error) ** 2
    share = events / total
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = math.sqrt(z2 * share * (1 - share) / total + z2**2 / (4 * total**2)) / (1 + z2 / total)
    return Share(share, max(0.0, centre - half), min(1.0, centre + half))


def stratified_share(
    strata: Sequence[Stratum], *, events: bool, error: float = ERROR
) -> Share | None:
    """Return sensitivity, or false-positive rate, from labels drawn bin by bin.

    Of all that is an event (``events``) or none, the part in the bins that the judge calls events.
    A bin of size N of which n were labelled, k of them events, holds about N k/n events (inverse
    probability weighting). The share only rises with the k/n of the called bins and falls with
    that of the others (for non-events the other way round), so its bounds are those of the bins
    together; the error is split over the bins.

    Args:
        strata: one for each of the judge's bins.
        events: of the events: sensitivity. Else of what is none: the false-positive rate.
        error: chance, per side, that a bound is wrong.

    Returns:
        None where no labelled answer is one of those in question.
    """
    present = [one for one in strata if one.size > 0]
    middles, lows, highs = list[float](), list[float](), list[float]()
    for one in present:
        hits = one.events if events else one.labelled - one.events
        found = clopper_pearson(hits, one.labelled, error=error / len(present))
        middles.append(one.size * (hits / one.labelled if one.labelled else 0.0))
        lows.append(one.size * found.low)
        highs.append(one.size * found.high)
    called = [one.called for one in present]
    if not sum(middles):
        return None
    return Share(
        _part(called, middles, middles), _part(called, lows, highs), _part(called, highs, lows)
    )


def weighted_rate(strata: Sequence[Stratum], *, error: float = ERROR) -> Share | None:
    """Return the rate of events in all bins together, each bin's rate weighted by its size.

    The bins' exact intervals are joined by the squares of their arms (MOVER: Zou & Donner 2008);
    None where nothing was labelled in a bin that has answers.
    """
    present = [one for one in strata if one.size > 0]
    total = sum(one.size for one in present)
    shares = [counted_share(one.events, one.labelled, error=error) for one in present]
    known = [share for share in shares if share is not None]
    if not present or len(known) < len(present):
        return None
    parts = [one.size / total for one in present]
    rate = sum(part * share.estimate for part, share in zip(parts, known, strict=True))
    arms = [
        (part * (share.estimate - share.low), part * (share.high - share.estimate))
        for part, share in zip(parts, known, strict=True)
    ]
    down, up = (math.hypot(*side) for side in zip(*arms, strict=True))
    return Share(rate, max(0.0, rate - down), min(1.0, rate + up))


def _part(called: Sequence[bool], inside: Sequence[float], outside: Sequence[float]) -> float:
    """Share of the called bins, each side's masses taken from its own list."""
    hit = sum(mass for mass, is_called in zip(inside, called, strict=True) if is_called)
    rest = sum(mass for mass, is_called in zip(outside, called, strict=True) if not is_called)
    return hit / (hit + rest) if hit + rest else 0.0


def true_rate(judged: float, sensitivity: float, false_positives: float) -> float:
    """Return the Rogan-Gladen rate (p - f) / (s - f), clipped to 0..1.

    Raises:
        ValueError: the judge is no better than chance (s <= f): any rate fits.
    """
    return min(1.0, max(0.0, _unclipped(judged, sensitivity, false_positives)))


def corrected_rate(judged: Share, sensitivity: Share, false_positives: Share) -> Interval | None:
    """Return the interval of the true rate, with what is not known of the judge in it.

    Each of p, s and f in turn goes to the bound that moves the rate outwards, the other two stay;
    the three arms are joined by their squares (MOVER: Zou & Donner 2008, Statistics in Medicine
    27, with finite arms, since 1/s is far from linear where few events were labelled). Below 0 the
    rate is set to 0 first, so that no interval is empty.

    Args:
        judged: the rate by the judge and its interval, of any kind.
        sensitivity: from answers labelled by hand, independent of ``judged``.
        false_positives: likewise.

    Returns:
        None where the intervals allow a judge that is no better than chance.
    """
    if sensitivity.low <= false_positives.high:
        return None
    s, f = sensitivity.estimate, false_positives.estimate
    p = min(max(judged.estimate, f), s)
    rate = _unclipped(p, s, f)
    shift = p - judged.estimate  # what setting to 0 (or 1) added goes to the ends as well
    ups = (
        _unclipped(judged.high + shift, s, f),
        _unclipped(p, sensitivity.low, f),
        _unclipped(p, s, false_positives.low),
    )
    downs = (
        _unclipped(judged.low + shift, s, f),
        _unclipped(p, sensitivity.high, f),
        _unclipped(p, s, false_positives.high),
    )
    up = math.hypot(*(max(0.0, end - rate) for end in ups))
    down = math.hypot(*(max(0.0, rate - end) for end in downs))
    return Interval(max(0.0, rate - down), min(1.0, rate + up), "Rogan-Gladen, MOVER")


def _unclipped(judged: float, sensitivity: float, false_positives: float) -> float:
    if sensitivity <= false_positives:
        raise ValueError(
            f"a judge with sensitivity {sensitivity:g} and false-positive rate"
            f" {false_positives:g} is no better than chance: its rates can't be corrected"
        )
    return (judged - false_positives) / (sensitivity - false_positives)


def prediction_powered_mean(
    labels: Sequence[float],
    judged: Sequence[float],
    judged_alone: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    error: float = ERROR,
) -> Share:
    """Return the mean of the true values where some of the answers were labelled by hand.

    The judge's mean, corrected by its mean error over what was labelled (prediction-powered
    inference, Angelopoulos et al., arXiv 2301.09633). The weight of the judge's part is 1, not
    tuned to the sample as in arXiv 2311.01453: with a handful of events among the labels the
    tuned intervals are too short (of a true 2%, with 200 of 1,000 labelled, they held 88%, these 95%).

    Args:
        labels: true values (0 or 1, or any number) of the n labelled answers.
        judged: the judge's values of the same answers.
        judged_alone: the judge's values of the others, or of all answers.
        weights: how many answers each labelled one stands for; None: all the same.
        error: chance, per side, that a bound is wrong.

    Raises:
        MissingExtraError: ``ppi-python`` is not installed.
        ValueError: fewer than two labels or none to be judged alone, or lengths differ.
    """
    sizes = {len(labels), len(judged), len(labels if weights is None else weights)}
    if len(sizes) > 1 or len(labels) < 2 or not judged_alone:
        raise ValueError(
            f"{len(labels)} labels, {len(judged)} judgements of the same answers and"
            f" {len(judged_alone)} of others: needs two labels, a judgement of each (and a weight,"
            " if any has one), and others"
        )
    try:
        ppi: Any = importlib.import_module("ppi_py")  # late: slow, and without types
    except ImportError:
        raise MissingExtraError(
            "prediction-powered rates need ppi-python: pip install 'spillover[calibration]'"
        ) from None
    arrays = [np.asarray(values, dtype=float) for values in (labels, judged, judged_alone)]
    how: dict[str, Any] = {"lam": 1}
    if weights is not None:
        how["w"] = np.asarray(weights, dtype=float)
    middle: Any = ppi.ppi_mean_pointestimate(*arrays, **how)
    low, high = ppi.ppi_mean_ci(*arrays, alpha=2 * error, **how)
    estimate, *ends = (float(np.asarray(value).item()) for value in (middle, low, high))
    return Share(estimate, *ends)
