"""The cascade: a cheap judge reads every answer, a strong one only what the cheap one calls an event.

An event counts once the strong judge confirms it, so false alarms of the cheap one cost calls and
nothing else; what it misses must be allowed for before `clean` may be said. Either its sensitivity
is known to be at least s from labels by hand: a true rate of p1 shows as s p1 at least. Or a
random share q of its negatives goes to the strong judge too, and what it finds there counts 1/q
times (`spillover.stats.bets.BelowBet`), so that the mean is the true rate whatever is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spillover.stats.bets import BelowBet, Bet, log_mean_exp, rate_above
from spillover.stats.operating import MOST_QUESTIONS, spread_rates
from spillover.stats.schedule import round_sizes

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class CascadeLimits(NamedTuple):
    """What a cascade's verdict is made with; exactly one of the last two is given.

    Attributes:
        p0, p1: true rates up to which nothing spills over, and from which nothing is clean.
        alpha: error budget of each side.
        sensitivity_low: lower bound of the cheap judge's sensitivity, from labels by hand.
        audit_share: share of the cheap judge's negatives that the strong one reads as well,
            chosen by a coin that knows nothing of the answer.
    """

    p0: float = 0.005
    p1: float = 0.02
    alpha: float = 0.04
    sensitivity_low: float | None = None
    audit_share: float | None = None


class CascadeJudges(NamedTuple):
    """The cheap judge's errors against the strong one, for simulation."""

    sensitivity: float = 0.9
    false_positives: float = 0.03


class CascadeChances(NamedTuple):
    """Shares of the verdicts at one true rate, and mean numbers of answers and strong calls.

    ``mean_strong`` counts the calls on the cheap judge's positives, ``mean_audited`` those on the
    sample of its negatives.
    """

    rate: float
    spillover: float
    clean: float
    undecided: float
    mean_answers: float
    mean_strong: float
    mean_audited: float


@dataclass
class CascadeBets:
    """Both bets of a cascade: what the strong judge confirmed goes in, evidence comes out."""

    limits: CascadeLimits
    up: Bet = field(init=False)
    down: BelowBet = field(init=False)

    def __post_init__(self) -> None:
        """Start both bets.

        Raises:
            ValueError: not exactly one way to allow for misses is given, or it is not in (0, 1].
        """
        given = [self.limits.sensitivity_low, self.limits.audit_share]
        parts = [part for part in given if part is not None]
        if len(parts) != 1 or not 0 < parts[0] <= 1:
            raise ValueError(
                f"sensitivity_low {given[0]} and audit_share {given[1]}: give one of them, above 0"
                " and at most 1, to allow for what the cheap judge misses"
            )
        self.up = rate_above(self.limits.p0)
        if self.limits.audit_share is None:
            self.down = BelowBet(self.limits.p1 * parts[0])
        else:
            self.down = BelowBet(self.limits.p1, parts[0])

    def update(self, confirmed: Flags, found: Flags) -> None:
        """Enter one complete round, in ask order.

        Args:
            confirmed: shape (n,): called an event by the cheap judge and by the strong one.
            found: shape (n,): called none by the cheap judge, drawn for the audit sample, and an
                event by the strong one. All False without an audit sample.
        """
        hits, finds = int(confirmed.sum()), int(found.sum())
        self.up.update_events(hits, len(confirmed) - hits)
        self.down.update(seen=hits, found=finds, others=len(confirmed) - hits - finds)


def simulate_cascade(
    limits: CascadeLimits,
    judges: CascadeJudges,
    rate: float,
    *,
    bounds: Floats | None = None,
    questions: int = 50,
    cap: int = 5000,
    repetitions: int = 400,
    seed: int = 0,
) -> CascadeChances:
    """Simulate audits at one true rate, in an audit's rounds, with a strong judge that never errs.

    Args:
        limits: what the verdict is made with.
        judges: how the cheap judge errs.
        rate: true rate, spread unevenly over the questions.
        bounds: shape (repetitions,): a lower bound of the sensitivity for each audit, from a gold
            set of its own, in place of ``limits.sensitivity_low``.
        questions: number of questions.
        cap: most answers.
        repetitions: number of audits.
        seed: of the simulation.
    """
    generator = np.random.default_rng(seed)
    questions = min(questions, MOST_QUESTIONS)
    counts = dict.fromkeys(("spillover", "clean", "answers", "strong", "audited"), 0)
    sizes = round_sizes(questions, cap)
    for index, rates in enumerate(spread_rates(rate, (repetitions, questions), generator)):
        low = limits.sensitivity_low if bounds is None else float(bounds[index])
        bets = CascadeBets(limits._replace(sensitivity_low=low))
        for size in sizes:
            true = generator.random(size) < rates[generator.permutation(questions)[:size]]
            chance = np.where(true, judges.sensitivity, judges.false_positives)
            called = generator.random(size) < chance
            audited = ~called & (generator.random(size) < (limits.audit_share or 0.0))
            bets.update(called & true, audited & true)
            counts["answers"] += size
            counts["strong"] += int(called.sum())
            counts["audited"] += int(audited.sum())
            wall = np.log(1 / limits.alpha)
            if log_mean_exp(bets.up.logs) >= wall:
                counts["spillover"] += 1
                break
            if log_mean_exp(bets.down.logs) >= wall:
                counts["clean"] += 1
                break
    share = {key: value / repetitions for key, value in counts.items()}
    return CascadeChances(
        rate,
        share["spillover"],
        share["clean"],
        max(0.0, 1 - share["spillover"] - share["clean"]),
        share["answers"],
        share["strong"],
        share["audited"],
    )
