"""How much of a variance known causes explain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def explained_variance(values: Floats, causes: Floats) -> float:
    """Return the variance of ``values`` that a linear regression on ``causes`` explains; never below 0.

    The adjusted R squared (Ezekiel 1930) times the variance: chance alone explains nothing on
    average, however many causes there are.

    Args:
        values: shape (n,).
        causes: shape (n, k); n must exceed k + 1.

    Raises:
        ValueError: there are too few values.
    """
    n, k = causes.shape
    if n <= k + 1 or len(values) != n:
        raise ValueError(
            f"{len(values)} values and {n} rows of {k} causes: need over {k + 1} of both"
        )
    total = float(values.var(ddof=1))
    design = np.column_stack([np.ones(n), causes])
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    left = float(((values - design @ solution) ** 2).sum()) / (n - k - 1)
    return max(0.0, total - left)
