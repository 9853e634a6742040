"""Forced choices in both orders: is a word chosen, or a place?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Literal

from spillover.selfreport.scales import ANCHOR_POINTS, Rated, Scale, read_scale

Harm = Literal["up", "down", "both"]


def read_orders(choices: Iterable[Rated]) -> dict[str, Scale]:
    """Return a `Scale` for each group of questions that differ in the order of their two choices.

    ``plus`` is then how often (of 100) the first one is chosen where it means much of the trait,
    ``minus`` how often where it means little, and ``anchoring`` by how many points the first one
    is chosen more often than the second.
    """
    groups: dict[str, list[Rated]] = defaultdict(list)
    for one in choices:
        groups[one.question.group].append(one)
    return {key: read_scale(group) for key, group in groups.items()}


def follows_order(orders: Mapping[str, Scale], *, points: float = ANCHOR_POINTS) -> str | None:
    """Return why these choices say nothing, or None.

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
    mean of both. So the smaller change of the two orders, averaged over groups, must exceed
    ``d0`` points as well.
    """
    changes = [
        (one.plus - other.plus, other.minus - one.minus)
        for one, other in ((mine[key], base[key]) for key in mine if key in base)
        if one.plus is not None and other.plus is not None
        and one.minus is not None and other.minus is not None
    ]  # fmt: skip
    signs = {"up": (1,), "down": (-1,), "both": (1, -1)}[harm]
    least = max(
        (fmean(min(sign * c for c in pair) for pair in changes) for sign in signs if changes),
        default=0.0,
    )
    if least > d0:
        return None
    return (
        "follows the order: where it changes less of the two orders, the choice moves by"
        f" {max(0.0, least):.0f} points ({d0:.0f} are no change)"
    )
