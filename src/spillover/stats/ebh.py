"""Several axes at once: e-values from p-values, and Benjamini-Hochberg for e-values."""

from __future__ import annotations

import math
from collections.abc import Sequence

LARGEST_E = 1e300


def p_to_e(p: float) -> float:
    """Return an e-value for a p-value: (1 - p + p ln p) / (p (ln p)^2).

    The mixture over k in (0, 1) of the calibrators k p^(k-1) (Vovk & Wang, arXiv 1912.06116):
    its integral over p in (0, 1) is 1. It is 1/2 at p = 1.

    Raises:
        ValueError: ``p`` is not within 0..1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{p} is not a p-value: it must lie between 0 and 1")
    if p > 1 - 1e-4:
        return 0.5 + (1 - p) / 6  # the series at 1; the formula itself is 0/0 there
    log = math.log(max(p, 1e-305))
    return min(LARGEST_E, (1 - p + p * log) / (max(p, 1e-305) * log * log))


def e_bh(e_values: Sequence[float], alpha: float) -> list[bool]:
    """Say which hypotheses e-BH rejects; false discovery rate <= ``alpha`` under any dependence.

    With e-values sorted downwards, the k largest are rejected for the largest k with
    k e_[k] >= K / alpha (Wang & Ramdas, arXiv 2009.02824).
    """
    count = len(e_values)
    order = sorted(range(count), key=lambda i: -e_values[i])
    kept = 0
    for k, index in enumerate(order, start=1):
        if k * e_values[index] >= count / alpha:
            kept = k
    rejected = set(order[:kept])
    return [i in rejected for i in range(count)]
