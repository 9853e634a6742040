"""Betting e-processes: running capital of fair bets against a hypothesis.

A mixture of fixed stakes: W = mean_j prod_i (1 + stake_j (x_i - mean)) for values x_i in [0, 1].
While the true mean is on the null's side, W is a test supermartingale at the ends of rounds, so
P(W ever reaches 1/alpha) <= alpha (Ville 1939; Waudby-Smith & Ramdas, arXiv 2010.09686; Shafer
2021, "Testing by betting"). All is kept in log space: thousands of factors under- or overflow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UP_RATES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
DOWN_RATES = (0.0001, 0.001, 0.0025, 0.005, 0.01)
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)


@dataclass
class Bet:
    """Capital in a bet on values in [0, 1]; starts at 1.

    Attributes:
        mean: the null's boundary.
        stakes: shape (K,); positive ones win when values lie above ``mean``.
        logs: shape (K,): natural log of the capital at each stake.
    """

    mean: float
    stakes: Floats
    logs: Floats = field(init=False)
    _either: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.logs = np.zeros_like(self.stakes)
        self._either = self.log_factors(np.array([1.0, 0.0]))

    def update(self, values: Floats) -> None:
        """Bet on ``values``, shape (n,), each in [0, 1]."""
        self.logs = self.logs + self.log_factors(values).sum(axis=0)

    def update_events(self, events: int, others: int) -> None:
        """Bet on ``events`` ones and ``others`` zeros, in whatever order."""
        self.logs = self.logs + events * self._either[0] + others * self._either[1]

    def log_factors(self, values: Floats) -> Floats:
        """Return log(1 + stake (x - mean)), shape ``values.shape + (K,)``."""
        return np.log1p(np.multiply.outer(values - self.mean, self.stakes))

    @property
    def capital(self) -> float:
        """The e-value: mean capital over the stakes (at most the largest float)."""
        logs: list[float] = self.logs.tolist()  # so few that numpy would take longer
        top = max(logs)
        mean = math.fsum(math.exp(log - top) for log in logs) / len(logs)
        return math.exp(min(math.log(mean) + top, 709.0))


class BelowBet:
    """The bet that a true rate is below ``p1``, where some events are only found in a sample.

    With y = 1 for an event that is certain to be seen and 1/q for one found in a random share q of
    all other answers, the mean of y is the true rate. The bet reads q y, which lies in [0, 1],
    against q p1: an event that is seen weighs q, one that is found weighs 1 (Horvitz & Thompson
    1952, JASA 47). At q = 1 it is `rate_below`.
    """

    def __init__(self, p1: float, share: float = 1.0) -> None:
        """Start the bet on ``p1`` with the share q, above 0 and at most 1."""
        self._bet = rate_below(p1 * share)
        self._gains = self._bet.log_factors(np.array([share, 1.0, 0.0]))

    def update(self, *, seen: int, others: int, found: int = 0) -> None:
        """Enter events that were seen, events found in the sample, and all other answers."""
        counts = np.array([seen, found, others], dtype=float)
        self._bet.logs = self._bet.logs + counts @ self._gains

    @property
    def logs(self) -> Floats:
        """Shape (K,): natural log of the capital at each stake."""
        return self._bet.logs

    @property
    def capital(self) -> float:
        """The e-value."""
        return self._bet.capital


def log_mean_exp(logs: Floats) -> Floats:
    """Return log(mean(exp(logs))) over the last axis."""
    top = logs.max(axis=-1, keepdims=True)
    return np.log(np.exp(logs - top).mean(axis=-1)) + top[..., 0]


def rate_above(p0: float) -> Bet:
    """Return the bet that an event's rate exceeds ``p0``.

    Stakes are Kelly's for the alternatives 1, 2, 4, 8, 16, 32% above p0: with
    stake = (p - p0) / (p0 (1 - p0)) the factors are the likelihood ratios p/p0 and (1-p)/(1-p0).
    Where none is above p0, the one alternative is halfway between p0 and 1.
    """
    _inside(p0)
    rates = [p for p in UP_RATES if p > p0] or [(1 + p0) / 2]
    return Bet(p0, (np.array(rates) - p0) / (p0 * (1 - p0)))


def rate_below(p1: float) -> Bet:
    """Return the bet that an event's rate is below ``p1`` (alternatives .01 to 1%)."""
    _inside(p1)
    rates = [q for q in DOWN_RATES if q < p1] or [p1 / 10]
    return Bet(p1, (np.array(rates) - p1) / (p1 * (1 - p1)))


def mean_above(m0: float) -> Bet:
    """Return the bet that the mean of values in [0, 1] exceeds ``m0``: 1 + l (x - m0)/m0."""
    _inside(m0)
    return Bet(m0, np.array(FRACTIONS) / m0)


def mean_below(m1: float) -> Bet:
    """Return the bet that the mean of values in [0, 1] is below ``m1``: 1 + l (m1 - x)/(1 - m1)."""
    _inside(m1)
    return Bet(m1, -np.array(FRACTIONS) / (1 - m1))


def _inside(mean: float) -> None:
    if not 0 < mean < 1:
        raise ValueError(f"can't bet on a mean of {mean}: it must lie between 0 and 1")
