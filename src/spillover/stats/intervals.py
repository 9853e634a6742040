"""Intervals to report: answers to one question are not independent, so questions are resampled.

30 clusters or more: cluster bootstrap (percentiles). Fewer: t over clusters, by the linearised
cluster-robust error (Miller, arXiv 2411.00640), centred on the pooled estimate. No events at all,
or nothing else: Clopper-Pearson over the answers, which speaks of this battery only.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spillover.stats.bounds import Interval, clopper_pearson, t_quantile

Floats = NDArray[np.float64]

FEW_CLUSTERS = 30
MANY_CLUSTERS = 3000  # beyond, the bootstrap costs seconds and t is as good
DRAWS = 2000


@dataclass(frozen=True)
class Clustered:
    """Sums and counts of values by stratum and cluster; the estimate is the mean of stratum means.

    Attributes:
        names: the G clusters.
        sums: shape (S, G).
        counts: shape (S, G): number of values.
    """

    names: tuple[Hashable, ...]
    sums: Floats
    counts: Floats

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    @property
    def estimate(self) -> float:
        """Mean over strata of the stratum's mean; NaN with no values."""
        if not self.size:
            return math.nan
        return float((self.sums.sum(axis=1) / self.counts.sum(axis=1)).mean())

    @property
    def influence(self) -> Floats:
        """Shape (G,): each cluster's pull on the estimate (its linearisation); sums to zero."""
        totals = self.counts.sum(axis=1, keepdims=True)
        means = self.sums.sum(axis=1, keepdims=True) / totals
        return ((self.sums - means * self.counts) / totals).mean(axis=0)


def clustered(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    strata: Sequence[Hashable] | None = None,
) -> Clustered:
    """Group values by cluster, and by stratum where the strata are to weigh the same.

    Args:
        values: n values, none missing.
        clusters: n cluster names (questions).
        strata: n names, such as the scale direction of a rating; None for one stratum.

    Raises:
        ValueError: lengths differ.
    """
    if len(values) != len(clusters) or (strata is not None and len(strata) != len(values)):
        raise ValueError("each value needs one cluster, and one stratum if there are any")
    column = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    row = {name: i for i, name in enumerate(dict.fromkeys(strata or (0,)))}
    columns = np.array([column[name] for name in clusters], dtype=np.intp)
    rows = np.array([row[name] for name in strata or [0] * len(values)], dtype=np.intp)
    shape = (len(row), len(column))
    flat = rows * max(1, len(column)) + columns
    sums: Floats = np.zeros(math.prod(shape))
    counts: Floats = np.zeros(math.prod(shape))
    np.add.at(sums, flat, np.asarray(values, dtype=float))
    np.add.at(counts, flat, 1.0)
    return Clustered(tuple(column), sums.reshape(shape), counts.reshape(shape))


def level_interval(
    data: Clustered, *, share: bool, error: float = 0.025, seed: int = 0
) -> Interval | None:
    """Return the interval of ``data.estimate``, or None where the data can't give one.

    Args:
        data: values by cluster; 0 and 1 if ``share``.
        share: the values are shares: clipped to 0..1, and Clopper-Pearson without contrast.
        error: chance, per side, that the bound is wrong.
        seed: of the bootstrap.
    """
    if not data.size:
        return None
    events = round(float(data.sums.sum()))
    groups = len(data.names)
    if share and (events in (0, data.size) or groups < 2):
        exact = clopper_pearson(events, data.size, error=error)
        return Interval(exact.low, exact.high, "Clopper-Pearson, this battery")
    if groups < 2:
        return None
    if FEW_CLUSTERS <= groups <= MANY_CLUSTERS:
        found = _bootstrap([data], [1.0], error, seed)
    else:
        found = _by_t(data.estimate, data.influence, error)
    return _clip(found, 0.0, 1.0) if share else found


def difference_interval(
    target: Clustered, base: Clustered, *, share: bool, error: float = 0.025, seed: int = 0
) -> Interval | None:
    """Return the interval of ``target.estimate - base.estimate``; shared clusters go together.

    Where one side is without contrast (no events, or nothing else), its own bound can't come from
    resampling: the two intervals are joined by the squares of their arms (MOVER; Newcombe 1998,
    Statistics in Medicine 17).
    """
    if not target.size or not base.size:
        return None
    if share and (_flat(target) or _flat(base)):
        mine = level_interval(target, share=True, error=error, seed=seed)
        other = level_interval(base, share=True, error=error, seed=seed)
        if mine is None or other is None:
            return None
        t, b = target.estimate, base.estimate
        down = math.hypot(t - mine.low, other.high - b)
        up = math.hypot(mine.high - t, b - other.low)
        return Interval(t - b - down, t - b + up, "both intervals joined (MOVER)")
    left, right = _aligned(target, base)
    groups = len(left.names)
    if groups < 2:
        return None
    if FEW_CLUSTERS <= groups <= MANY_CLUSTERS:
        found = _bootstrap([left, right], [1.0, -1.0], error, seed)
    else:
        found = _by_t(target.estimate - base.estimate, left.influence - right.influence, error)
    return _clip(found, -1.0, 1.0) if share else found


def _flat(data: Clustered) -> bool:
    return round(float(data.sums.sum())) in (0, data.size) or len(data.names) < 2


def _aligned(a: Clustered, b: Clustered) -> tuple[Clustered, Clustered]:
    """Return both over the union of their clusters, in one order."""
    names = tuple(dict.fromkeys(a.names + b.names))
    column = {name: i for i, name in enumerate(names)}

    def spread(data: Clustered) -> Clustered:
        where = [column[name] for name in data.names]
        sums = np.zeros((len(data.sums), len(names)))
        counts = np.zeros_like(sums)
        sums[:, where], counts[:, where] = data.sums, data.counts
        return Clustered(names, sums, counts)

    return spread(a), spread(b)


def _bootstrap(
    parts: Sequence[Clustered], signs: Sequence[float], error: float, seed: int
) -> Interval:
    """Percentiles of the signed sum of estimates, resampling whole clusters in all parts at once."""
    groups = len(parts[0].names)
    generator = np.random.default_rng(seed)
    times = generator.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS).astype(float)
    total = np.zeros(DRAWS)
    for part, sign in zip(parts, signs, strict=True):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (times @ part.sums.T) / (times @ part.counts.T)
        total += sign * means.mean(axis=1)
    total = total[np.isfinite(total)]  # a draw without any of a stratum's clusters says nothing
    low, high = np.quantile(total, [error, 1 - error])
    return Interval(float(low), float(high), f"bootstrap over {groups} clusters")


def _by_t(estimate: float, influence: Floats, error: float) -> Interval:
    groups = len(influence)
    spread = math.sqrt(groups / (groups - 1) * float((influence**2).sum()))
    half = t_quantile(groups - 1, error) * spread
    return Interval(estimate - half, estimate + half, f"t over {groups} clusters")


def _clip(found: Interval, low: float, high: float) -> Interval:
    return Interval(max(low, found.low), min(high, found.high), found.method)
