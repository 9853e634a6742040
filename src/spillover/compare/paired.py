"""The paired test for ratings and shares: target values against unused base values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spillover.compare.ledger import Fault, Ledger, missing_fault
from spillover.records import Bets, Thresholds, Verdict
from spillover.stats.bets import Bet, mean_above, mean_below

Harm = Literal["up", "down", "both"]
Floats = NDArray[np.float64]
_UNSCORED = "without a score"  # an incoherent answer has none either, and is not missing


class PairBets:
    """Both bets on pairs in one direction of harm.

    D = (1 + (base - target)/100)/2 for a fall, one minus that for a rise; the null of the upward
    bet is a mean change of at most d0 points, that of the downward bet one of at least d1.
    """

    def __init__(self, limits: Thresholds, harm: Literal["up", "down"]) -> None:
        """Start both bets at 1, with d0 and d1 of ``limits``."""
        self._sign = 1.0 if harm == "down" else -1.0
        self._up: Bet = mean_above((1 + limits.d0 / 100) / 2)
        self._down: Bet | None = mean_below(m1) if (m1 := (1 + limits.d1 / 100) / 2) < 1 else None

    def update(self, target: Sequence[float | None], base: Sequence[float | None]) -> None:
        """Bet on pairs of values 0-100; a pair with a missing value goes against each bet."""
        falls = as_floats(base) - as_floats(target)
        d = (1 + self._sign * falls / 100) / 2
        missing = np.isnan(d)
        self._up.update(np.where(missing, 0.0, d))
        if self._down is not None:
            self._down.update(np.where(missing, 1.0, d))

    @property
    def e_up(self) -> float:
        """Evidence that the change exceeds d0."""
        return self._up.capital

    @property
    def e_down(self) -> float:
        """Evidence that the change is below d1."""
        return 1.0 if self._down is None else self._down.capital


class PairedTest:
    """Sequential test of a rating or share: does the target differ from the base by more than d0?

    Each target value is paired with the next unused base value. For ``both``, the two directions
    are tested side by side, each at twice the threshold.
    """

    def __init__(
        self, thresholds: Thresholds, harm: Harm, base_values: Sequence[float | None]
    ) -> None:
        """Start the test.

        Args:
            thresholds: d0, d1, alpha, cap and the missing rule are read.
            harm: ``down``: a fall is spillover; ``up``: a rise; ``both``.
            base_values: the base's values 0-100 in ask order, None where missing. Shares are
                passed as 0 and 100. A base that has more than ``max_missing`` missing is
                `not measured` at once.
        """
        self._limits = thresholds
        self._base = list(base_values)
        sides: tuple[Literal["up", "down"], ...] = ("up", "down") if harm == "both" else (harm,)
        self._bets = [PairBets(thresholds, side) for side in sides]
        self._ledger = Ledger(len(sides) / thresholds.alpha, thresholds.cap)
        self._asked = self._missing = 0
        gone = sum(value is None for value in self._base)
        self._base_fault = missing_fault(gone, len(self._base), thresholds, "base", lack=_UNSCORED)
        if not self._base:
            self._base_fault = Fault("there are no base values to pair with", True)
        if self._base_fault is not None:
            self._ledger.finish(self._base_fault, "")

    def update(self, values: Sequence[float | None]) -> None:
        """Enter one complete round of target values (0-100, None where missing), in ask order.

        Raises:
            ValueError: a value is not within 0..100.
        """
        base = self._base[self._asked : self._asked + len(values)]
        self._asked += len(values)
        self._missing += sum(value is None for value in values)
        for bets in self._bets:
            bets.update(values[: len(base)], base)
        spent = "the base's values are used up" if self._asked >= len(self._base) else None
        self._ledger.close_round(
            asked=self._asked,
            e_up=max(bets.e_up for bets in self._bets),
            e_down=min(bets.e_down for bets in self._bets),
            fault=self._fault(),
            spent=spent,
        )
        # The mean of both directions' e-values is an e-value against "no change over d0".
        self._ledger.e_value = sum(bets.e_up for bets in self._bets) / len(self._bets)

    def verdict(self) -> Verdict | None:
        """Return the verdict, or None while the test runs."""
        return self._ledger.verdict

    def finish(self) -> Verdict:
        """Return the verdict; if there was none, it is made now, as nothing more is asked."""
        return self._ledger.finish(self._fault(), "no more answers were asked")

    @property
    def reason(self) -> str | None:
        """Why it is undecided or not measured."""
        return self._ledger.reason

    @property
    def e_value(self) -> float | None:
        """Evidence for spillover after all that was asked; for e-BH."""
        return self._ledger.e_value

    def bets(self) -> Bets:
        """Return the record of the e-values after each round."""
        return bets_record(self._ledger)

    def _fault(self) -> Fault | None:
        return self._base_fault or missing_fault(
            self._missing, self._asked, self._limits, "target", lack=_UNSCORED
        )


def as_floats(values: Sequence[float | None]) -> Floats:
    """Return values 0-100 as floats, missing ones as NaN.

    Raises:
        ValueError: a value is not within 0..100.
    """
    array = np.array([np.nan if value is None else value for value in values], dtype=float)
    if bool(((array < 0) | (array > 100)).any()):
        bad = next(v for v in values if v is not None and not 0 <= v <= 100)
        raise ValueError(f"{bad} is not within 0..100: pass shares as 0 and 100")
    return array


def bets_record(
    ledger: Ledger,
    *,
    p0: float | None = None,
    p1: float | None = None,
    p0_true: float | None = None,
    p1_true: float | None = None,
    base_low: float | None = None,
    base_high: float | None = None,
) -> Bets:
    """Return a ledger as it goes to disk."""
    return Bets(
        asked=tuple(ledger.asked),
        e_up=tuple(ledger.e_up),
        e_down=tuple(ledger.e_down),
        threshold=ledger.threshold,
        p0=p0,
        p1=p1,
        p0_true=p0_true,
        p1_true=p1_true,
        base_low=base_low,
        base_high=base_high,
        stopped_at=ledger.stopped_at,
    )
