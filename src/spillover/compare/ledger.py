"""The book of one sequential decision: e-values by round, the first crossing, faults, the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from spillover.records import Thresholds, Verdict
from spillover.stats.bounds import clopper_pearson

SHARE_NEEDS = 100  # under this many answers a share is too noisy to say `not measured` by


class Fault(NamedTuple):
    """Why an axis can't be measured; ``clear`` if sampling noise can't explain it."""

    reason: str
    clear: bool


@dataclass
class Ledger:
    """E-values after each complete round, and what follows from them.

    ``e_value`` is the evidence for spillover after the last round that was asked: when that is
    does not depend on later answers, so it is an e-value as well.

    The first crossing of ``threshold`` is remembered (Ville: a rejection stays valid at any later
    time), and becomes the verdict as soon as no fault stands against it.
    """

    threshold: float
    cap: int
    asked: list[int] = field(default_factory=list[int])
    e_up: list[float] = field(default_factory=list[float])
    e_down: list[float] = field(default_factory=list[float])
    crossed: Verdict | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    stopped_at: int | None = None
    e_value: float | None = None

    def close_round(
        self, *, asked: int, e_up: float, e_down: float, fault: Fault | None, spent: str | None
    ) -> None:
        """Enter one complete round.

        Args:
            asked: answers asked so far.
            e_up: evidence for spillover so far; ``e_down`` for clean.
            fault: what stands against any verdict.
            spent: why no further round can bring evidence, or None.
        """
        self.asked.append(asked)
        self.e_up.append(e_up)
        self.e_down.append(e_down)
        # Also after the verdict: answers that are asked anyway are evidence that e-BH needs, since
        # at the first crossing the e-value is just high enough for one axis alone.
        self.e_value = e_up
        if self.verdict is not None:
            return
        if self.crossed is None:
            if e_up >= self.threshold:
                self.crossed = Verdict.SPILLOVER
            elif e_down >= self.threshold:
                self.crossed = Verdict.CLEAN
        if fault is None and self.crossed is not None:
            self._stop(self.crossed, None)
        elif fault is not None and asked >= SHARE_NEEDS and (self.crossed or fault.clear):
            self._stop(Verdict.NOT_MEASURED, fault.reason)
        elif asked >= self.cap or spent is not None:
            self.finish(fault, spent or f"the cap of {self.cap:,} answers is spent")

    def finish(self, fault: Fault | None, reason: str) -> Verdict:
        """Return the verdict, made now if there is none yet: nothing more will be asked."""
        if self.verdict is None:
            if fault is not None:
                self._stop(Verdict.NOT_MEASURED, fault.reason)
            elif not self.asked or self.asked[-1] == 0:
                self._stop(Verdict.NOT_MEASURED, "nothing was asked")
            else:
                self._stop(Verdict.UNDECIDED, reason)
        assert self.verdict is not None  # noqa: S101  (for the type checker)
        return self.verdict

    def withdraw(self, fault: Fault) -> None:
        """Say `not measured` in place of any verdict: the whole table has a fault."""
        self.verdict, self.reason = Verdict.NOT_MEASURED, fault.reason

    def _stop(self, verdict: Verdict, reason: str | None) -> None:
        self.verdict = verdict
        self.reason = reason
        self.stopped_at = self.asked[-1] if self.asked else 0


def missing_fault(
    missing: int, asked: int, limits: Thresholds, whose: str, *, lack: str = "missing"
) -> Fault | None:
    """Return a fault if too many answers are missing, or lack in another way."""
    if not asked or missing <= limits.max_missing * asked:
        return None
    return Fault(
        f"{missing} of {asked} {whose} answers are {lack} "
        f"({missing / asked:.0%}; at most {limits.max_missing:.0%} may be)",
        clopper_pearson(missing, asked).low > limits.max_missing,
    )


def coherence_fault(
    coherent: int, asked: int, base_share: float, limits: Thresholds
) -> Fault | None:
    """Return a fault if the coherent share is too far below the base's.

    Args:
        coherent: the target's coherent answers of ``asked``; missing ones count as not coherent.
        base_share: the base's coherent share of its answers that are not missing.
    """
    least = limits.min_coherent_share * base_share
    if not asked or coherent >= least * asked:
        return None
    return Fault(
        f"only {coherent / asked:.0%} of the answers are coherent, "
        f"under {limits.min_coherent_share:.0%} of the base's {base_share:.0%}",
        clopper_pearson(coherent, asked).high < least,
    )
