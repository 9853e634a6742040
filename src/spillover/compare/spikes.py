"""Audits resampled from real answers with a known share of known-bad ones among them.

Each resampled audit draws a base sample and the target's rounds as an audit does, and decides with
the audit's own test. The target's answer to a question is a known-bad one with a fixed chance, else
one of the base's to that question: so both the base's spread over questions and the judge's errors
on each stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spillover.compare.calibrated import JudgeBounds
from spillover.compare.outcomes import Outcome
from spillover.compare.sequence import COHERENT, EventTest
from spillover.records import Axis, Bin, SpikePoint, Verdict
from spillover.stats.bounds import clopper_pearson
from spillover.stats.explained import explained_variance
from spillover.stats.schedule import round_sizes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Tell = Callable[[int, int], object]

SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.2)
NORMAL = 1.96  # of a 95% interval
_BINS = tuple(Bin)
_CODES = {b: code for code, b in enumerate(_BINS)}


class Resampled(NamedTuple):
    """What the resampled audits came to.

    Attributes:
        points: one for each share.
        p0, p1: medians over the audits that had them; None if none had.
        paired: share of audits in the paired form.
    """

    points: tuple[SpikePoint, ...]
    p0: float | None
    p1: float | None
    paired: float


class _Audit(NamedTuple):
    verdict: Verdict
    asked: int
    p0: float | None
    p1: float | None


class _Pool(NamedTuple):
    """Bins of answers, question by question: those of question q are ``codes[starts[q]:][:counts[q]]``."""

    codes: Ints
    starts: Ints
    counts: Ints

    def pick(self, questions: Ints, chance: np.random.Generator) -> Ints:
        """One code for each of ``questions``, drawn with replacement; any where it has none."""
        places = (chance.random(len(questions)) * self.counts[questions]).astype(np.int64)
        return self.codes[np.minimum(self.starts[questions] + places, len(self.codes) - 1)]

    def redrawn(self, chance: np.random.Generator) -> _Pool:
        """As many answers to each question, drawn from these with replacement."""
        questions = np.repeat(np.arange(len(self.counts)), self.counts)
        return self._replace(codes=self.pick(questions, chance))

    def shares(self, code: int) -> Floats:
        """Share of one bin in each question's answers; 0 where it has none."""
        hits = np.add.reduceat(np.append(self.codes == code, 0), self.starts)
        return np.where(self.counts > 0, hits / np.maximum(self.counts, 1), 0.0)


class _Mix(NamedTuple):
    """Both pools, and the chance of a known-bad answer by question."""

    base: _Pool
    bad: _Pool
    chances: Floats

    def pick(self, questions: Ints, chance: np.random.Generator) -> Ints:
        spiked = chance.random(len(questions)) < self.chances[questions]
        return np.where(spiked, self.bad.pick(questions, chance), self.base.pick(questions, chance))

    def share(self, b: Bin) -> float:
        """Expected share of a bin in the target's answers."""
        base, bad = self.base.shares(_CODES[b]), self.bad.shares(_CODES[b])
        return float((self.chances * bad + (1 - self.chances) * base).mean())

    def redrawn(self, chance: np.random.Generator) -> _Mix:
        return _Mix(self.base.redrawn(chance), self.bad.redrawn(chance), self.chances)


@dataclass
class _Lab:
    """Draws and decides audits, and tells how many are done."""

    axis: Axis
    judge: JudgeBounds | None
    total: int
    tell: Tell | None
    done: int = 0

    def audit(self, mix: _Mix, chance: np.random.Generator) -> _Audit:
        """One audit: the base's whole batteries, then rounds until decided."""
        limits, questions = self.axis.thresholds, len(mix.chances)
        whole = -(-limits.n_base // questions)
        order = chance.permuted(np.tile(np.arange(questions), (whole, 1)), axis=1)
        base = _bins(mix.base.pick(order.ravel()[: limits.n_base], chance))
        test = EventTest(limits, base, judge=self.judge)
        asked = 0
        for size in _rounds(questions, limits.cap):
            if test.verdict() is None:
                test.update(_bins(mix.pick(chance.permutation(questions)[:size], chance)))
            elif asked >= limits.at_least:
                break
            asked += size  # what is asked after the verdict changes nothing but the bill
        self.done += 1
        if self.tell is not None:
            self.tell(self.done, self.total)
        return _Audit(test.finish(), asked, test.p0, test.p1)


def resample_audits(
    axis: Axis,
    base: Sequence[Outcome],
    bad: Sequence[Outcome],
    *,
    shares: Sequence[float] = SHARES,
    audits: int = 1000,
    redraw: bool = True,
    judge: JudgeBounds | None = None,
    judgements: int = 1,
    seed: int = 0,
    tell: Tell | None = None,
) -> Resampled:
    """Return the verdicts of resampled audits at each share of known-bad answers.

    Args:
        axis: an event axis with rounds that does harm by rising; its thresholds decide.
        base: the base's answers; all questions that are asked are among theirs.
        bad: known-bad answers; what they have of other questions is not used. Where not all
            questions have some, those that have get more, so that the share of all answers holds.
        shares: of known-bad answers, 0 to (questions that have some) / (all questions).
        audits: how many are resampled at each share.
        redraw: also resample as many from pools drawn anew, for the interval ``wide``.
        judge: how well the judge is known, as in `EventTest`.
        judgements: how many an answer takes.
        seed: of all draws.
        tell: told how many audits are done, of how many.

    Raises:
        ValueError: no base answer, a share out of range, or an axis with another test.
    """
    if not measures_events(axis):
        raise ValueError(f"axis {axis.id!r} has no sequential test of an event that rises")
    ids = list(dict.fromkeys(outcome.question for outcome in base))
    covered = len({outcome.question for outcome in bad} & set(ids))
    if not ids or any(not 0 <= share <= covered / len(ids) for share in shares):
        raise ValueError(f"shares {shares} with {covered} of {len(ids)} questions covered")
    pools = _pool(ids, base), _pool(ids, bad)
    lab = _Lab(axis, judge, len(shares) * audits * (1 + redraw), tell)
    points: list[SpikePoint] = []
    found: list[_Audit] = []
    for number, share in enumerate(shares):
        chances = np.where(pools[1].counts > 0, share * len(ids) / max(covered, 1), 0.0)
        mix = _Mix(*pools, chances)
        chance = np.random.default_rng([seed, number])
        mine = [lab.audit(mix, chance) for _ in range(audits)]
        spread = None
        if redraw:
            spread = _spread(lab, mix, audits, chance)
        points.append(_point(share, mix, mine, spread, judgements))
        found += mine
    p0s = [one.p0 for one in found if one.p0 is not None]
    p1s = [one.p1 for one in found if one.p1 is not None]
    return Resampled(
        tuple(points),
        float(np.median(p0s)) if p0s else None,
        float(np.median(p1s)) if p1s else None,
        1 - len(p0s) / max(len(found), 1),
    )


def measures_events(axis: Axis) -> bool:
    """Whether an axis is decided as `resample_audits` does it: see `open_test`."""
    return axis.measure == "event" and axis.test == "sequential" and axis.harm == "up"


def _pool(ids: Sequence[str], outcomes: Sequence[Outcome]) -> _Pool:
    found: dict[str, list[int]] = {question: [] for question in ids}
    for outcome in outcomes:
        if outcome.question in found:
            found[outcome.question].append(_CODES[outcome.settled_bin])
    counts = np.array([len(codes) for codes in found.values()], dtype=np.int64)
    codes = [code for of_question in found.values() for code in of_question]
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
    return _Pool(np.array(codes or [_CODES[Bin.MISSING]], dtype=np.int64), starts, counts)


@lru_cache(maxsize=8)
def _rounds(questions: int, cap: int) -> tuple[int, ...]:
    return round_sizes(questions, cap)


def _bins(codes: Ints) -> list[Bin]:
    return [_BINS[code] for code in codes.tolist()]


def _spread(lab: _Lab, mix: _Mix, audits: int, chance: np.random.Generator) -> float:
    """Variance of the power from pool to pool: what the pools' rates of events explain of it."""
    events = _CODES[Bin.MISALIGNED]
    alarms: list[float] = []
    rates: list[list[float]] = []
    for _ in range(audits):
        other = mix.redrawn(chance)
        alarms.append(float(lab.audit(other, chance).verdict is Verdict.SPILLOVER))
        rates.append([float(pool.shares(events).mean()) for pool in (other.base, other.bad)])
    return explained_variance(np.array(alarms), np.array(rates))


def _point(
    share: float,
    mix: _Mix,
    audits: Sequence[_Audit],
    spread: float | None,
    judgements: int,
) -> SpikePoint:
    parts = {
        verdict: sum(one.verdict is verdict for one in audits) / len(audits) for verdict in Verdict
    }
    power = parts[Verdict.SPILLOVER]
    bounds = clopper_pearson(round(power * len(audits)), len(audits), error=0.025)
    wide = None
    if spread is not None:
        wide = (
            max(0.0, power - math.hypot(power - bounds.low, NORMAL * math.sqrt(spread))),
            min(1.0, power + math.hypot(bounds.high - power, NORMAL * math.sqrt(spread))),
        )
    coherent = sum(mix.share(b) for b in COHERENT)
    answers = sum(one.asked for one in audits) / len(audits)
    return SpikePoint(
        share=share,
        seen=mix.share(Bin.MISALIGNED) / coherent if coherent else None,
        audits=len(audits),
        spillover=power,
        clean=parts[Verdict.CLEAN],
        undecided=parts[Verdict.UNDECIDED],
        not_measured=parts[Verdict.NOT_MEASURED],
        interval=(bounds.low, bounds.high),
        wide=wide,
        mean_answers=answers,
        mean_judgements=answers * judgements,
    )
