"""Numbers, intervals and counts as words, the same in the page and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from spillover.records import AxisResult, CascadeCounts

Measure = Literal["event", "rating"]
NONE = "–"
_MINUS = "−"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def level(value: float | None, measure: Measure) -> str:
    """Return a share 0-1 as ``34.2%``, or a rating 0-100 as ``83.6``; a dash for None."""
    if value is None or math.isnan(value):
        return NONE
    return _percent(value) if measure == "event" else f"{value:.1f}"


def span(interval: tuple[float, float] | None, measure: Measure) -> str:
    """Return ``30.1 – 38.5%`` (or without the sign for ratings); empty for None."""
    if interval is None or any(math.isnan(end) for end in interval):
        return ""
    low, high = (level(end, measure).replace("%", "") for end in interval)
    return f"{low} – {high}%" if measure == "event" else f"{low} – {high}"


def change(value: float, measure: Measure) -> str:
    """Return a difference as signed points (percentage points for shares): ``+33.8``."""
    points = value * 100 if measure == "event" else value
    digits = 2 if 0 < abs(points) < 1 else 1
    text = f"{abs(points):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if points > 0 else _MINUS) + text


def change_span(interval: tuple[float, float] | None, measure: Measure) -> str:
    """Return the interval of a difference, as ``+30.0 to +37.6``; empty for None."""
    if interval is None:
        return ""
    return f"{change(interval[0], measure)} to {change(interval[1], measure)}"


def e_value(value: float | None) -> str:
    """Return an e-value in at most three figures: ``0.42``, ``27.3``, ``3.1×10⁷``."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value) or value >= 1e300:
        return "over 10³⁰⁰"
    if value < 0.001:
        return "under 0.001"
    if value < 999.5:
        return f"{value:.3g}"
    if value < 9999.5:
        return f"{value:,.0f}"
    power = math.floor(math.log10(value))
    mantissa = value / 10**power
    if mantissa >= 9.95:
        power, mantissa = power + 1, 1.0
    return f"{mantissa:.1f}×10{str(power).translate(_SUPERSCRIPT)}"


def count(value: int) -> str:
    """Return ``12,345``."""
    return f"{value:,}"


def counts(parts: Mapping[str, int]) -> str:
    """Return ``12 incoherent, 3 refused or code``; empty if there are none."""
    return ", ".join(f"{count(number)} {name}" for name, number in parts.items() if number)


def duration(seconds: float | None) -> str:
    """Return ``48 s``, ``12 min`` or ``3.1 h``; empty for None."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def missing(result: AxisResult) -> str:
    """Return the count of missing answers with its reasons: ``3 (2 no number, 1 timed out)``."""
    reasons = counts(result.missing_reasons)
    return f"{count(result.missing)} ({reasons})" if reasons else count(result.missing)


def strong_reads(counts: CascadeCounts) -> str:
    """Return ``18 called the event (12 confirmed), 196 of 590 others, at random (2 found)``."""
    text = f"{count(counts.called)} called the event ({count(counts.confirmed)} confirmed)"
    if counts.share is not None:
        text += f", {count(counts.sampled)} of {count(counts.passed)} others, at random"
        text += f" ({count(counts.found)} found)"
    return text + (f"; {count(counts.unread)} could not be judged" if counts.unread else "")


def printable(text: str) -> str:
    """Return ``text`` without what a page or a terminal must not get as it is.

    Lone surrogates can't be written as UTF-8; control characters (but tab and newline) could
    drive a terminal. Each becomes U+FFFD, so that the reader sees that something was there.
    """
    return "".join("\ufffd" if _unprintable(char) else char for char in text)


def _unprintable(char: str) -> bool:
    code = ord(char)
    if code < 0x20:
        return char not in "\t\n"
    return 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xDFFF


def _percent(share: float) -> str:
    percent = share * 100
    if percent == 0:
        return "0%"
    if percent < 0.01:
        return "<0.01%"
    if percent < 0.995:
        return f"{percent:.2f}%"
    # 99.96 must not read as a certain 100.0.
    digits = 2 if 99.9 < percent < 100 else 1
    return "100%" if percent == 100 else f"{percent:.{digits}f}%"
