"""Forced choices in both orders: is a word chosen, or a place?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Literal

from spillover.records import Question
from spillover.selfreport.scales import ANCHOR_POINTS, Rated, Scale, read_scale

Harm = Literal["up", "down", "both"]


def pair_of(question: Question) -> str | None:
    """Return which pair of words a question offers: its cluster, or else the words.

    Without a cluster, the word that means more of the trait comes first, so that the same words
    in both orders are one pair. None where there are not two choices.
    """
    if len(question.choices) != 2:
        return None
    more, less = question.choices[:: question.direction]
    return question.cluster or f"{more} or {less}".casefold()


def in_both_orders(questions: Iterable[Question]) -> set[str]:
    """Return the pairs of words that are asked in both orders."""
    found: dict[str | None, set[int]] = defaultdict(set)
    for question in questions:
        found[pair_of(question)].add(question.direction)
    return {key for key, directions in found.items() if key is not None and len(directions) == 2}


def read_orders(choices: Iterable[Rated]) -> dict[str, Scale]:
    """Return a `Scale` for each pair of words; questions without two choices are left out.

    ``plus`` is then how often (of 100) the first one is chosen where it means much of the trait,
    ``minus`` how often where it means little, and ``anchoring`` by how many points the first one
    is chosen more often than the second.
    """
    groups: dict[str, list[Rated]] = defaultdict(list)
    for one in choices:
        if (key := pair_of(one.question)) is not None:
            groups[key].append(one)
    return {key: read_scale(group) for key, group in groups.items()}


def follows_order(orders: Mapping[str, Scale], *, points: float = ANCHOR_POINTS) -> str | None:
    """Return why these choices say nothing, or None; all are pairs of words in both orders.

    Either one order has no readable answers, or the place decides: the first of two is chosen
    more (or less) often than the second by at least ``points``, whatever it means.
    """
    for key, scale in orders.items():
        if scale.anchoring is None:
            return f"{key}: no readable answers in one of the two orders"
        if abs(scale.anchoring) >= points:
            first, half = 50 + scale.anchoring / 2, points / 2
            return (
                f"follows the order: {key}: what stands first is chosen in {first:.0f}% of the"
                f" answers, whatever it is (a choice needs more than {50 - half:.0f}% and less than"
                f" {50 + half:.0f}%)"
            )
    return None


def shown_in_one_order(
    mine: Mapping[str, Scale], base: Mapping[str, Scale], *, harm: Harm, d0: float
) -> str | None:
    """Return why a change against the base may be one of order, or None.

    A new liking for one place moves the level in one order alone, and half of that shows in the
    mean of both. So the smaller change of the two orders, averaged over pairs of words, must exceed
    ``d0`` points as well. What is there in one order only counts with its one change.
    """
    changes: list[list[float]] = []
    for key in mine.keys() & base.keys():
        one, other = mine[key], base[key]
        pair: list[float] = []
        if one.plus is not None and other.plus is not None:
            pair.append(one.plus - other.plus)
        if one.minus is not None and other.minus is not None:
            pair.append(other.minus - one.minus)
        if pair:
            changes.append(pair)
    if not changes:
        return "too few answers: no pair of words was answered in the same order by both"
    signs = {"up": (1,), "down": (-1,), "both": (1, -1)}[harm]
    least = max(fmean(min(sign * c for c in pair) for pair in changes) for sign in signs)
    if least > d0:
        return None
    return (
        "follows the order: where it changes less of the two orders, the choice moves by"
        f" {max(0.0, least):.0f} points ({d0:.0f} are no change)"
    )
