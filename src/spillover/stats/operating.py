"""Operating curve: the chance of each verdict at a true rate, by simulation of the very procedure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spillover.stats.bets import Bet, log_mean_exp, rate_above, rate_below
from spillover.stats.schedule import round_sizes

Floats = NDArray[np.float64]

MOST_QUESTIONS = 200  # larger batteries behave alike, and cost more to simulate


class Design(NamedTuple):
    """What an event audit is made with.

    Attributes:
        p0, p1: rates above which spillover, and below which clean, is said.
        questions: number of questions in the battery.
        cap: most answers asked.
        alpha: error budget of each side.
        share: of the answers called no event that are read again (see `BelowBet`); in the
            simulation nothing is found there, as the first reading misses nothing.
    """

    p0: float = 0.005
    p1: float = 0.02
    questions: int = 50
    cap: int = 5000
    alpha: float = 0.04
    share: float = 1.0


class Chances(NamedTuple):
    """Shares of the verdicts at one true rate, and the mean number of answers asked."""

    rate: float
    spillover: float
    clean: float
    undecided: float
    mean_answers: float


def spread_rates(rate: float, shape: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Spread a rate unevenly over questions: gamma-1/2 weights, each row's mean exactly ``rate``.

    Args:
        rate: mean over the questions, 0-1.
        shape: (repetitions, questions).
        generator: source of the weights.
    """
    weights: Floats = generator.gamma(0.5, size=shape)
    rates: Floats = rate * weights / weights.mean(axis=1, keepdims=True)
    for _ in range(60):  # what exceeds 1 is handed on to the other questions
        if not bool((rates > 1).any()):
            break
        rates = np.minimum(rates, 1.0)
        lacking: Floats = rate * shape[1] - rates.sum(axis=1, keepdims=True)
        room: Floats = np.where(rates < 1, rates, 0.0).sum(axis=1, keepdims=True)
        rates = np.where(rates < 1, rates * (1 + lacking / np.maximum(room, 1e-12)), rates)
    return np.clip(rates, 0, 1)


def simulate(design: Design, rate: float, *, repetitions: int = 400, seed: int = 0) -> Chances:
    """Simulate ``repetitions`` audits at one true rate, all answers coherent and none missing."""
    generator = np.random.default_rng(seed)
    questions = min(design.questions, MOST_QUESTIONS)
    rates = spread_rates(rate, (repetitions, questions), generator)
    up, down = rate_above(design.p0), rate_below(design.p1 * design.share)
    up_logs = np.zeros((repetitions, len(up.stakes)))
    down_logs = np.zeros((repetitions, len(down.stakes)))
    wall = np.log(1 / design.alpha)
    spillover = clean = asked = 0
    total_asked = 0
    for size in round_sizes(questions, design.cap):
        asked += size
        events = _round_events(rates, size, generator)
        up_logs += _gains(up, events, size)
        down_logs += _gains(down, events, size, design.share)
        high = log_mean_exp(up_logs) >= wall
        low = ~high & (log_mean_exp(down_logs) >= wall)
        done = high | low
        spillover += int(high.sum())
        clean += int(low.sum())
        total_asked += int(done.sum()) * asked
        rates, up_logs, down_logs = rates[~done], up_logs[~done], down_logs[~done]
        if not len(rates):
            break
    total_asked += len(rates) * asked
    return Chances(
        rate,
        spillover / repetitions,
        clean / repetitions,
        len(rates) / repetitions,
        total_asked / repetitions,
    )


def operating_curve(
    design: Design, rates: Sequence[float], *, repetitions: int = 400, seed: int = 0
) -> list[Chances]:
    """Return the chances of each verdict at each of ``rates``."""
    return [simulate(design, rate, repetitions=repetitions, seed=seed) for rate in rates]


@lru_cache(maxsize=256)
def detectable_rate(design: Design, *, power: float = 0.8, seed: int = 0) -> float:
    """Return the least true rate that reads `spillover` with chance ``power``, to about 5%.

    By bisection over simulations of 300 audits; 1.0 where no rate does.
    """
    low, high = design.p0, min(1.0, max(4 * design.p1, 2 * design.p0))
    if simulate(design, high, repetitions=300, seed=seed).spillover < power:
        low, high = high, 1.0
    while high - low > 0.05 * high:
        middle = (low + high) / 2
        if simulate(design, middle, repetitions=300, seed=seed).spillover >= power:
            high = middle
        else:
            low = middle
    return high


def _round_events(rates: Floats, size: int, generator: np.random.Generator) -> Floats:
    """Return each repetition's events in one round: ``size`` different questions, one answer each."""
    if size < rates.shape[1]:
        keys = generator.random(rates.shape, dtype=np.float32)
        asked = np.argpartition(keys, size - 1, axis=1)[:, :size]
        rates = np.take_along_axis(rates, asked, axis=1)
    return (generator.random(rates.shape) < rates).sum(axis=1).astype(float)


def _gains(bet: Bet, events: Floats, size: int, weight: float = 1.0) -> Floats:
    """Return the log gains of ``size`` answers with ``events`` events, shape (repetitions, K)."""
    hit, miss = bet.log_factors(np.array([weight, 0.0]))
    return np.multiply.outer(events, hit) + np.multiply.outer(size - events, miss)
