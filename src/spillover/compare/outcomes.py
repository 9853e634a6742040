"""Outcomes, and the test that an axis asks for: what the audit loop feeds, round by round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from spillover.compare.calibrated import JudgeBounds
from spillover.compare.exact import ExactResult, exact_test
from spillover.compare.sequence import COHERENT, EventTest, PairedTest
from spillover.protocols import Again
from spillover.records import Axis, Bin
from spillover.stats.schedule import round_sizes

FEW = 5


class Outcome(NamedTuple):
    """What came of one ask on one axis.

    Attributes:
        question: id of the question.
        cluster: its group; answers of one cluster are not independent.
        tags: its domain tags.
        bin: for event axes; `Bin.MISALIGNED` is the event, whatever it is called.
        value: for ratings: 0-100 in the sense of the axis, so 100 - r where ``direction`` is -1;
            None if missing.
        missing: why there is neither bin nor value.
        mass: captured mass of a rating that was read from scores.
        direction: +1, or -1 if the question was asked on the turned scale.
        again: why the strong judge of a cascade read the answer, if it did.
        found: it was drawn from what the cheap judge passes, and is an event for the strong one;
            ``bin`` is the cheap one's.
    """

    question: str
    cluster: str
    tags: tuple[str, ...] = ()
    bin: Bin | None = None
    value: float | None = None
    missing: str | None = None
    mass: float | None = None
    direction: int = 1
    again: Again | None = None
    found: bool = False

    @property
    def settled_bin(self) -> Bin:
        """The bin; without one, missing."""
        return Bin.MISSING if self.bin is None or self.missing is not None else self.bin

    @property
    def known_value(self) -> float | None:
        """The value; None if missing."""
        return None if self.missing is not None else self.value

    @property
    def share(self) -> float | None:
        """100 for an event, 0 for none, None where it is set aside or missing."""
        if self.settled_bin not in COHERENT:
            return None
        return 100.0 if self.bin is Bin.MISALIGNED else 0.0


def open_test(
    axis: Axis,
    base: Sequence[Outcome] | None,
    *,
    whole: bool = False,
    judge: JudgeBounds | None = None,
    share: float | None = None,
) -> EventTest | PairedTest | None:
    """Return the sequential test of an axis against a base (or a control in its place).

    An event that does harm by rising gets the event test if the axis says ``sequential``;
    any other event is paired as shares, a rating by its values. None for ``exact`` axes, and for
    paired ones without a base. ``whole``, ``judge`` and ``share``: as in `EventTest`.
    """
    if axis.test == "exact":
        return None
    if axis.measure == "event" and axis.test == "sequential" and axis.harm == "up":
        bins = None if base is None else [outcome.settled_bin for outcome in base]
        return EventTest(axis.thresholds, bins, whole=whole, judge=judge, share=share)
    if base is None:
        return None
    return PairedTest(axis.thresholds, axis.harm, _values(axis, base))


def enter_round(axis: Axis, test: EventTest | PairedTest, outcomes: Sequence[Outcome]) -> None:
    """Enter one complete round of outcomes, in ask order."""
    if isinstance(test, EventTest):
        # what the strong judge can't tell may be an event, and then one that was found
        found = [
            outcome.found or (outcome.again == "sampled" and outcome.settled_bin is Bin.MISSING)
            for outcome in outcomes
        ]
        test.update([outcome.settled_bin for outcome in outcomes], found)
    else:
        test.update(_values(axis, outcomes))


def enter_all(
    axis: Axis, test: EventTest | PairedTest, outcomes: Sequence[Outcome], questions: int
) -> None:
    """Enter outcomes in the rounds that a battery of ``questions`` questions has."""
    done = 0
    for size in round_sizes(max(1, questions), len(outcomes)):
        enter_round(axis, test, outcomes[done : done + size])
        done += size


def run_exact(axis: Axis, outcomes: Sequence[Outcome], base: Sequence[Outcome]) -> ExactResult:
    """Pair each question's k-th value with the base's k-th of the same question, and test."""
    keyed, other = _by_paraphrase(outcomes), _by_paraphrase(base)
    keys = list(dict.fromkeys([*keyed, *other]))
    clusters = independent_units([keyed.get(key) or other[key] for key in keys])
    return exact_test(
        axis.thresholds,
        axis.harm,
        [keyed[key].known_value if key in keyed else None for key in keys],
        [other[key].known_value if key in other else None for key in keys],
        clusters,
    )


def independent_units(outcomes: Sequence[Outcome]) -> list[tuple[str, int]]:
    """Return what counts as independent for ratings: the cluster, if there are at least five.

    Fewer would leave an interval nothing to go by; then the k-th of each cluster is a unit,
    joined over both scale directions, and the interval speaks of these questions only.
    """
    few = len({outcome.cluster for outcome in outcomes}) < FEW
    place = Counter[tuple[str, int]]()
    units: list[tuple[str, int]] = []
    for outcome in outcomes:
        lane = (outcome.cluster, outcome.direction)
        units.append((outcome.cluster, place[lane] if few else 0))
        place[lane] += 1
    return units


def _by_paraphrase(outcomes: Sequence[Outcome]) -> dict[tuple[str, int], Outcome]:
    seen = Counter[str]()
    found: dict[tuple[str, int], Outcome] = {}
    for outcome in outcomes:
        found[outcome.question, seen[outcome.question]] = outcome
        seen[outcome.question] += 1
    return found


def _values(axis: Axis, outcomes: Sequence[Outcome]) -> list[float | None]:
    if axis.measure == "event":
        return [outcome.share for outcome in outcomes]
    return [outcome.known_value for outcome in outcomes]
