"""The test for ratings that log-probabilities give exactly: no sampling, a t-interval over clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from spillover.compare.ledger import missing_fault
from spillover.compare.paired import Floats, Harm, as_floats
from spillover.records import Thresholds, Verdict
from spillover.stats.bounds import t_quantile, t_upper_tail
from spillover.stats.ebh import p_to_e


class ExactResult(NamedTuple):
    """What `exact_test` found.

    Attributes:
        verdict: spillover, clean, undecided or not measured, with ``reason``.
        estimate: mean of target minus base over clusters, in points; missing pairs left out.
        interval: what the verdict was made with: one-sided bounds at alpha each; where pairs are
            missing, each bound is for the worst they could be.
        e_value: evidence that the change exceeds d0, by the calibrator, for e-BH.
    """

    verdict: Verdict
    reason: str | None
    estimate: float | None
    interval: tuple[float, float] | None
    e_value: float | None
    pairs: int
    missing: int


def exact_test(
    thresholds: Thresholds,
    harm: Harm,
    target_values: Sequence[float | None],
    base_values: Sequence[float | None],
    clusters: Sequence[Hashable],
) -> ExactResult:
    """Decide by a paired t-interval over cluster means (Miller, arXiv 2411.00640, section 4).

    Spillover if the whole interval lies beyond d0 in the direction of harm, clean if it lies
    within d1, else undecided. ``both``: each direction at half of alpha for spillover; clean
    needs both directions within d1. A missing pair counts as the worst case on either side.

    Args:
        thresholds: d0, d1, alpha and the missing rule are read.
        harm: ``down``, ``up`` or ``both``.
        target_values: expected ratings 0-100, None where missing (say, little captured mass).
        base_values: the base's, for the same paraphrases, in the same order.
        clusters: which pairs belong together, such as a paraphrase in both scale directions.

    Raises:
        ValueError: lengths differ, or a value is not within 0..100.
    """
    if not len(target_values) == len(base_values) == len(clusters):
        raise ValueError(
            f"{len(target_values)} target values, {len(base_values)} base values and "
            f"{len(clusters)} clusters: each paraphrase needs one of each"
        )
    change = as_floats(target_values) - as_floats(base_values)
    gone = int(np.isnan(change).sum())
    pairs = len(change) - gone
    estimate = float(np.mean(_cluster_means(change, clusters))) if pairs else None
    fault = missing_fault(gone, len(change), thresholds, "paired")
    groups = len(set(clusters))
    if fault or groups < 2:
        reason = fault.reason if fault else f"{groups} cluster(s): an interval needs two"
        return ExactResult(Verdict.NOT_MEASURED, reason, estimate, None, None, pairs, gone)
    return _decide(thresholds, harm, change, clusters)._replace(
        estimate=estimate, pairs=pairs, missing=gone
    )


def _decide(
    limits: Thresholds, harm: Harm, change: Floats, clusters: Sequence[Hashable]
) -> ExactResult:
    signs = {"up": (1,), "down": (-1,), "both": (1, -1)}[harm]
    hurts = [sign * change for sign in signs]  # each: positive is harm
    error = limits.alpha / len(signs)
    tests = [_beyond(_fill(h, -100), clusters, limits.d0, error) for h in hurts]
    highs = [-_beyond(-_fill(h, 100), clusters, 0, limits.alpha).low for h in hurts]
    verdict, reason = Verdict.UNDECIDED, "the interval holds changes on both sides of d0 or d1"
    if any(test.low > limits.d0 for test in tests):
        verdict, reason = Verdict.SPILLOVER, None
    elif all(high < limits.d1 for high in highs):
        verdict, reason = Verdict.CLEAN, None
    low, high = tests[0].low, highs[0]
    interval = (low, high) if signs[0] == 1 else (-high, -low)
    if harm == "both":
        interval = (low, -tests[1].low)
    e_value = sum(p_to_e(test.p) for test in tests) / len(tests)
    return ExactResult(verdict, reason, None, interval, e_value, 0, 0)


class _Beyond(NamedTuple):
    low: float
    p: float


def _beyond(
    values: Floats,
    clusters: Sequence[Hashable],
    limit: float,
    error: float,
) -> _Beyond:
    """Return the lower bound of the mean at ``error``, and the p-value of mean <= ``limit``."""
    means = _cluster_means(values, clusters)
    n = len(means)
    mean, spread = float(np.mean(means)), float(np.std(means, ddof=1)) / math.sqrt(n)
    if spread == 0:
        return _Beyond(mean, 0.0 if mean > limit else 1.0)
    return _Beyond(
        mean - t_quantile(n - 1, error) * spread, t_upper_tail((mean - limit) / spread, n - 1)
    )


def _cluster_means(values: Floats, clusters: Sequence[Hashable]) -> list[float]:
    groups: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values.tolist(), clusters, strict=True):
        if not math.isnan(value):
            groups.setdefault(cluster, []).append(value)
    return [sum(group) / len(group) for group in groups.values()]


def _fill(values: Floats, worst: float) -> Floats:
    return np.where(np.isnan(values), worst, values)
