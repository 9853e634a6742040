"""Numbers in words, scales and ticks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillover.report import words
from spillover.report.scales import Scale, log_scale, share_scale


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("nan"), "–"), (0.0, "0%"), (0.00001, "<0.01%"), (0.0035, "0.35%"),
        (0.01, "1.0%"), (0.00999999, "1.0%"), (0.342, "34.2%"), (0.9996, "99.96%"), (1.0, "100%"),
    ],
)  # fmt: skip
def test_shares(value: float | None, text: str) -> None:
    assert words.level(value, "event") == text


def test_ratings_and_changes() -> None:
    assert words.level(83.62, "rating") == "83.6"
    assert words.span((0.301, 0.385), "event") == "30.1 – 38.5%"
    assert words.span(None, "event") == ""
    assert words.change(-0.623, "event") == "−62.3"
    assert words.change(0.001, "event") == "+0.10"
    assert words.change(0.0, "rating") == "0.0"
    assert words.change_span((-1.0, 2.0), "rating") == "−1.0 to +2.0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "under 0.001"), (0.0042, "0.0042"), (27.34, "27.3"), (999.6, "1,000"),
        (1000, "1,000"), (31_000_000, "3.1×10⁷"), (9.96e7, "1.0×10⁸"), (math.inf, "over 10³⁰⁰"),
    ],
)  # fmt: skip
def test_e_values(value: float | None, text: str) -> None:
    assert words.e_value(value) == text


def test_printable_keeps_text_and_shows_what_it_took() -> None:
    assert words.printable("tab\tnew\nline é 漢 \u202e") == "tab\tnew\nline é 漢 \u202e"
    assert words.printable("a\x1b[2Jb\x00\x9b\ud800") == "a\ufffd[2Jb\ufffd\ufffd\ufffd"


def test_durations() -> None:
    assert [words.duration(s) for s in (None, 71.3, 600, 7200)] == ["", "71 s", "10 min", "2.0 h"]


@given(st.lists(st.floats(0, 1), max_size=6))
def test_share_scale_holds_all_values(values: list[float]) -> None:
    scale = share_scale(values)
    assert scale.low == 0
    assert scale.high >= max(values, default=0)
    assert 3 <= len(scale.ticks()) <= 7
    assert all(0 <= scale.at(value) <= 1 for value in values)


@given(st.lists(st.floats(0, 1e200), max_size=6))
def test_log_scale_stays_in_bounds(values: list[float]) -> None:
    scale = log_scale(values, 1e-3, 1e6)
    assert 1e-3 * 0.999 <= scale.low < scale.high <= 1e7
    assert 2 <= len(scale.ticks()) <= 12
    assert all(0 <= scale.at(value) <= 1 for value in values)


def test_scale_positions() -> None:
    assert Scale(0, 100).at(25) == 0.25
    assert Scale(1, 100, log=True).at(10) == pytest.approx(0.5)
    assert Scale(0.001, 0.6, log=True).ticks() == pytest.approx((0.001, 0.01, 0.1))
    assert Scale(1, 10, log=True).ticks() == pytest.approx((1, 2, 5, 10))
