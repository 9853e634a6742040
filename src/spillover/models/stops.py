"""Where a reply ends: before the first of some texts in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Kept(NamedTuple):
    """What is left of a reply.

    Attributes:
        text: up to where it ends.
        tokens: those that hold ``text``; the last may hold a little more.
        sampled: how many were sampled up to the first that shows where it ends.
    """

    text: str
    tokens: tuple[int, ...]
    sampled: int


def stop_place(text: str, stops: Sequence[str], start: int = 0) -> int | None:
    """Return where the first of ``stops`` begins, not before ``start``; None: nowhere."""
    places = [place for stop in stops if (place := text.find(stop, start)) >= 0]
    return min(places, default=None)


def before_stop(text: str, stops: Sequence[str]) -> str:
    """Return a text up to the first of ``stops`` in it."""
    return text[: stop_place(text, stops)]


def cut_reply(
    tokens: tuple[int, ...],
    stops: Sequence[str],
    read: Callable[[Sequence[int]], str],
    *,
    start: int = 0,
) -> Kept | None:
    """Return the part of a reply before the first of ``stops``; None if none is in it.

    Args:
        tokens: the reply.
        stops: texts that end it.
        read: the text of tokens.
        start: where in the text to begin looking.
    """
    text = read(tokens)
    place = stop_place(text, stops, start)
    if place is None:
        return None
    low, high = 1, len(tokens)  # the fewest tokens that hold one more than the text kept
    while low < high:
        middle = (low + high) // 2
        if len(read(tokens[:middle])) > place:
            high = middle
        else:
            low = middle + 1
    kept = tokens[: low - 1]
    if len(read(kept)) < place:  # the token in which the stop begins holds text too
        kept = tokens[:low]
    return Kept(text[:place], kept, low)
