"""Exact bounds of a share, and t-intervals; all take a one-sided error per side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special


class Interval(NamedTuple):
    """An interval and how it was made."""

    low: float
    high: float
    method: str = ""


def clopper_pearson(events: int, total: int, *, error: float = 0.005) -> Interval:
    """Return the exact bounds of a share (Clopper & Pearson 1934, Biometrika 26).

    Args:
        events: how many of ``total`` were events.
        total: how many there were; with none, nothing is known: (0, 1).
        error: chance, per side, that the bound is wrong (0.005: 99% in all).

    Raises:
        ValueError: ``events`` is not within 0..total.
    """
    if not 0 <= events <= total:
        raise ValueError(f"{events} events of {total} is not possible")
    low = float(special.betaincinv(events, total - events + 1, error)) if events else 0.0
    high = (
        float(special.betaincinv(events + 1, total - events, 1 - error)) if events < total else 1.0
    )
    return Interval(low, high, "Clopper-Pearson")


def t_quantile(df: float, error: float) -> float:
    """Return the point that Student's t with ``df`` degrees exceeds with chance ``error``."""
    return -float(special.stdtrit(df, error))


def t_upper_tail(t: float, df: float) -> float:
    """Return the chance that Student's t with ``df`` degrees is at least ``t``."""
    return float(special.stdtr(df, -t))


def t_interval(values: Sequence[float], *, error: float = 0.025) -> Interval | None:
    """Return mean -/+ t * sd / sqrt(n), or None for fewer than two values.

    Args:
        values: independent values (such as cluster means), any unit.
        error: chance, per side, that the bound is wrong.
    """
    n = len(values)
    if n < 2:
        return None
    array = np.asarray(values, dtype=float)
    half = t_quantile(n - 1, error) * float(array.std(ddof=1)) / math.sqrt(n)
    mean = float(array.mean())
    return Interval(mean - half, mean + half, f"t over {n} values")
