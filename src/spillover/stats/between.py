"""How far rates differ between groups, beyond what chance within the groups explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def between_variance(hits: Sequence[int], totals: Sequence[int]) -> float:
    """Return the variance of the groups' true rates, by the method of moments; never below 0.

    The variance of the observed rates less the mean of their binomial variances, each estimated
    without bias by r (1 - r) / (n - 1).

    Args:
        hits: events in each group.
        totals: size of each group.

    Raises:
        ValueError: fewer than two groups, or one of fewer than two.
    """
    n = np.asarray(totals, dtype=float)
    if len(n) < 2 or len(hits) != len(n) or bool((n < 2).any()):
        raise ValueError(f"groups of {list(totals)}: need two or more, each of two or more")
    rates = np.asarray(hits, dtype=float) / n
    inside = float((rates * (1 - rates) / (n - 1)).mean())
    return max(0.0, float(rates.var(ddof=1)) - inside)
