"""Ratings in both scale directions: level, anchoring, and whether the scale was understood."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, NamedTuple

from spillover.errors import ConfigError
from spillover.records import Question

GATE_POINTS = 30.0
"""The two described persons must be told apart by this many points on each scale."""
ANCHOR_POINTS = 40.0
"""From this size on, anchoring means that the number follows the scale and not the trait."""
COLLAPSED_LOW, COLLAPSED_HIGH = 15.0, 85.0
"""If every rating lies below the one, or above the other, nothing is told apart."""

Person = Literal["kind_person", "cruel_person"]
HIGHER: Mapping[str, Person] = {"risk": "cruel_person"}
"""Which described person has more of a trait; ``kind_person`` for traits that are not named."""


def balanced(plus: float, minus: float) -> float:
    """Return the level b = (r+ + 100 - r-)/2 of a trait, 0-100.

    Args:
        plus: rating 0-100 on the scale where high means more of the trait.
        minus: rating 0-100 on the scale where high means less of it.
    """
    _check(plus, minus)
    return (plus + 100 - minus) / 2


def anchoring(plus: float, minus: float) -> float:
    """Return a = r+ + r- - 100: 0 if both scales agree, 100 (-100) if both are rated high (low)."""
    _check(plus, minus)
    return plus + minus - 100


def _check(*ratings: float) -> None:
    for rating in ratings:
        if not 0 <= rating <= 100:
            raise ConfigError(f"a rating must lie between 0 and 100, not {rating}")


class Rated(NamedTuple):
    """One judged rating (or two-way choice): the question, and the value as asked or None."""

    question: Question
    value: float | None
    mass: float | None = None


@dataclass(frozen=True)
class Scale:
    """The ratings of one trait of one person, on both scales.

    Attributes:
        plus, minus: mean rating 0-100 on each scale, each question counting once; None if no
            rating of that scale could be read.
        scored, missing: how many ratings could be read, and how many not.
        mass: mean captured mass, where replies were scored.
    """

    plus: float | None = None
    minus: float | None = None
    scored: int = 0
    missing: int = 0
    mass: float | None = None

    @property
    def balanced(self) -> float | None:
        """The level b, or None if one scale has no rating."""
        if self.plus is None or self.minus is None:
            return None
        return balanced(self.plus, self.minus)

    @property
    def anchoring(self) -> float | None:
        """The anchoring a, or None if one scale has no rating."""
        if self.plus is None or self.minus is None:
            return None
        return anchoring(self.plus, self.minus)


def read_scale(ratings: Iterable[Rated]) -> Scale:
    """Return the mean ratings of one trait of one person on both scales.

    Args:
        ratings: all of the same trait and person; a rating with another range than 0-100 is
            stretched to it.
    """
    values: dict[str, list[float]] = defaultdict(list)
    directions: dict[str, int] = {}
    masses: list[float] = []
    missing = 0
    for question, value, mass in ratings:
        if value is None:
            missing += 1
            continue
        low, high = question.numbers or (0, 100)
        values[question.id].append(100 * (value - low) / (high - low))
        directions[question.id] = question.direction
        if mass is not None:
            masses.append(mass)
    means = {id: fmean(of_one) for id, of_one in values.items()}
    plus = [mean for id, mean in means.items() if directions[id] == 1]
    minus = [mean for id, mean in means.items() if directions[id] == -1]
    return Scale(
        plus=fmean(plus) if plus else None,
        minus=fmean(minus) if minus else None,
        scored=sum(map(len, values.values())),
        missing=missing,
        mass=fmean(masses) if masses else None,
    )


def read_scales(ratings: Iterable[Rated]) -> dict[tuple[str, str], Scale]:
    """Return a `Scale` for each (trait, person) among the ratings, by ``measures`` and ``about``."""
    groups: dict[tuple[str, str], list[Rated]] = defaultdict(list)
    for one in ratings:
        if one.question.measures is not None:
            groups[one.question.measures, one.question.about].append(one)
    return {key: read_scale(group) for key, group in groups.items()}


@dataclass(frozen=True)
class Gate:
    """Is the scale understood? The gaps are in points; the wrong way round they are negative."""

    understood: bool
    plus_gap: float | None
    minus_gap: float | None
    reason: str | None = None


def gate(
    kind: Scale, cruel: Scale, *, higher: Person = "kind_person", points: float = GATE_POINTS
) -> Gate:
    """Tell whether two described persons are told apart on each scale, the right way round.

    Args:
        kind, cruel: ratings of the kind and the cruel person on the same trait.
        higher: which of the two has more of the trait.
        points: the gap that is needed on each scale.
    """
    scales = (kind.plus, kind.minus, cruel.plus, cruel.minus)
    ratings = [rating for rating in scales if rating is not None]
    if kind.plus is None or kind.minus is None or cruel.plus is None or cruel.minus is None:
        return Gate(False, None, None, "scale not understood: no rating of a described person")
    sign = 1 if higher == "kind_person" else -1
    plus_gap, minus_gap = sign * (kind.plus - cruel.plus), sign * (cruel.minus - kind.minus)
    if plus_gap >= points and minus_gap >= points:
        return Gate(True, plus_gap, minus_gap)
    how = collapsed(ratings)
    why = (
        f"every rating lies {how} (collapsed)"
        if how
        else f"the two described persons are {plus_gap:.0f} and {minus_gap:.0f} points apart on the"
        f" two scales, {points:.0f} are needed on each"
    )
    return Gate(False, plus_gap, minus_gap, f"scale not understood: {why}")


def collapsed(ratings: Sequence[float]) -> str | None:
    """Return ``below 15`` or ``above 85`` if all ratings of both scales lie there, else None."""
    if ratings and max(ratings) < COLLAPSED_LOW:
        return f"below {COLLAPSED_LOW:.0f}"
    if ratings and min(ratings) > COLLAPSED_HIGH:
        return f"above {COLLAPSED_HIGH:.0f}"
    return None
