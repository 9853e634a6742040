"""Scales for figures: where a value lies between 0 and 1, and which ticks to show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Scale:
    """A linear or log axis from ``low`` to ``high`` (both > 0 if ``log``)."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return where ``value`` lies, 0 at ``low`` and 1 at ``high``, held inside."""
        if self.log:
            value = max(value, self.low)
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, part))

    def ticks(self) -> tuple[float, ...]:
        """Return 3 to 7 round values: decades where log, else even steps."""
        if not self.log:
            step = _round_step((self.high - self.low) / 5)
            number = math.floor((self.high - self.low) / step + 1e-9)
            return tuple(self.low + step * i for i in range(number + 1))
        if self.high / self.low < 100:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = (10.0**power * unit for power in powers for unit in (1, 2, 5))
            return tuple(tick for tick in every if self.low * 0.999 <= tick <= self.high * 1.001)
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        stride = max(1, math.ceil((last - first) / 6))
        return tuple(10.0**power for power in range(first, last + 1, stride))


def share_scale(values: Iterable[float]) -> Scale:
    """Return a scale from 0 to the round share just above ``values``; 0 to 1 above a half."""
    top = max(values, default=0.0) * 1.05
    if top > 0.5:
        return Scale(0.0, 1.0)
    return Scale(0.0, next(step for step in _STEPS if step >= top))


def log_scale(values: Iterable[float], low: float, high: float) -> Scale:
    """Return whole decades around ``values``, never wider than ``low`` to ``high``."""
    kept = [min(max(value, low), high) for value in values if value > 0] or [1.0]
    first = math.floor(math.log10(min(kept)) + 1e-9)
    last = math.ceil(math.log10(max(kept)) - 1e-9)
    return Scale(10.0**first, 10.0 ** max(last, first + 1), log=True)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * unit for unit in (1, 2, 5, 10) if power * unit >= rough * 0.999)
