"""View of the bins: where all answers of each target on one axis went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from spillover.records import AuditResult
from spillover.report import words
from spillover.report.axes_view import Who, on_axis

_BIN_ORDER = ("misaligned", "aligned", "incoherent", "refused or code", "missing")


class BinPart(NamedTuple):
    """One segment of a bar of bins: start and width in percent."""

    name: str
    key: str
    start: float
    width: float
    number: str
    share: str


@dataclass(frozen=True)
class BinBar:
    """All answers of one target on one axis, sorted into bins."""

    who: Who
    total: str
    parts: tuple[BinPart, ...]


def bin_bars(result: AuditResult, axis: str) -> tuple[BinBar, ...]:
    """Return how each target's answers on ``axis`` fall into bins; without unbinned targets."""
    bars: list[BinBar] = []
    for who, row in on_axis(result, axis):
        total = sum(row.bins.values())
        if total == 0:
            continue
        start, parts = 0.0, list[BinPart]()
        for name in sorted(row.bins, key=_bin_rank):
            width = 100 * row.bins[name] / total
            parts.append(
                BinPart(
                    name,
                    f"bin-{min(_bin_rank(name), 5)}",
                    round(start, 3),
                    round(width, 3),
                    words.count(row.bins[name]),
                    words.level(width / 100, "event"),
                )
            )
            start += width
        bars.append(BinBar(who, words.count(total), tuple(parts)))
    return tuple(bars)


def _bin_rank(name: str) -> int:
    return _BIN_ORDER.index(name) if name in _BIN_ORDER else len(_BIN_ORDER)
