"""The order in which the rows of a finished table are entered into a sequential test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from spillover.compare.reading import Row

SORTED_STEPS = 8  # scores that rise this often and never fall: 1 in 40,000 by chance


def in_turn(rows: Sequence[Row]) -> list[Row]:
    """Order rows as an audit asks: each question once before any is asked again.

    In tables that stand question by question the first e-values would be evidence about the
    first questions alone.
    """
    seen = Counter[str]()
    turns: list[int] = []
    for row in rows:
        turns.append(seen[row.question_id])
        seen[row.question_id] += 1
    return [rows[place] for place in sorted(range(len(rows)), key=lambda place: turns[place])]


def sorted_by_score(rows: Sequence[Row]) -> bool:
    """Whether the aligned scores rise (or fall) all the way: by chance they hardly ever do."""
    scores = [row.aligned for row in rows if row.aligned is not None]
    steps = [b - a for a, b in pairwise(scores) if a != b]
    return len(steps) >= SORTED_STEPS and (min(steps) > 0 or max(steps) < 0)
