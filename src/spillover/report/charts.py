"""Line charts as data: drawn as SVG by the template, and by plotly where scripts run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spillover.records import Axis, AxisResult, Bets, OperatingPoint
from spillover.report import words
from spillover.report.scales import Scale, log_scale

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 16, 46
_E_LOW, _E_HIGH = 1e-3, 1e6


@dataclass(frozen=True)
class Line:
    """One series; ``key`` names its colour and dash in the style sheet."""

    name: str
    key: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True)
class Rule:
    """A line across the frame at one value, with a label."""

    at: float
    label: str
    upright: bool = False


@dataclass(frozen=True)
class Tick:
    """A tick in SVG units, with its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A frame with lines and rules; every number is in data units."""

    title: str
    x_label: str
    y_label: str
    x: Scale
    y: Scale
    lines: tuple[Line, ...]
    rules: tuple[Rule, ...] = ()
    share: bool = False

    def across(self, value: float) -> float:
        """Return the SVG x of a data x."""
        return round(LEFT + self.x.at(value) * (WIDTH - LEFT - RIGHT), 1)

    def down(self, value: float) -> float:
        """Return the SVG y of a data y."""
        return round(TOP + (1 - self.y.at(value)) * (HEIGHT - TOP - BOTTOM), 1)

    def points(self, line: Line) -> str:
        """Return the ``points`` attribute of a polyline."""
        pairs = zip(line.xs, line.ys, strict=True)
        return " ".join(f"{self.across(x)},{self.down(y)}" for x, y in pairs)

    @property
    def x_ticks(self) -> tuple[Tick, ...]:
        """Ticks along the bottom."""
        form = _share_tick if self.share else _number_tick
        return tuple(Tick(self.across(tick), form(tick)) for tick in self.x.ticks())

    @property
    def y_ticks(self) -> tuple[Tick, ...]:
        """Ticks up the side."""
        form = _share_tick if self.share else words.e_value
        return tuple(Tick(self.down(tick), form(tick)) for tick in self.y.ticks())

    def data(self) -> dict[str, Any]:
        """Return what ``report.js`` hands to plotly: plain numbers and labels."""
        return {
            "title": self.title,
            "x": _axis_data(self.x, self.x_label, _share_tick if self.share else _number_tick),
            "y": _axis_data(self.y, self.y_label, _share_tick if self.share else words.e_value),
            "lines": [
                {
                    "name": line.name,
                    "key": line.key,
                    "xs": line.xs,
                    "ys": [min(max(y, self.y.low), self.y.high) for y in line.ys],
                    "words": [self._hover(line, i) for i in range(len(line.xs))],
                }
                for line in self.lines
            ],
            "rules": [
                {"at": rule.at, "label": rule.label, "upright": rule.upright} for rule in self.rules
            ],
        }

    def _hover(self, line: Line, i: int) -> str:
        if self.share:
            return f"{line.name}: {words.level(line.ys[i], 'event')} at a true rate of {words.level(line.xs[i], 'event')}"
        return (
            f"{line.name}: {words.e_value(line.ys[i])} after {words.count(int(line.xs[i]))} answers"
        )


def e_values(name: str, bets: Bets) -> Chart | None:
    """Return both bets of one target over answers asked; None before the first round."""
    rounds = min(len(bets.asked), len(bets.e_up), len(bets.e_down))
    if rounds == 0:
        return None
    asked = tuple(float(number) for number in bets.asked[:rounds])
    up, down = bets.e_up[:rounds], bets.e_down[:rounds]
    rules = [Rule(bets.threshold, f"{bets.threshold:g}")]
    if bets.stopped_at is not None and asked[0] <= bets.stopped_at <= asked[-1]:
        rules.append(Rule(float(bets.stopped_at), f"stopped at {bets.stopped_at}", upright=True))
    return Chart(
        title=name,
        x_label="answers asked",
        y_label="e-value",
        # Room to the right of the last round, for the label of the threshold.
        x=Scale(1.0, max(10.0, asked[-1] * 1.5), log=True),
        y=log_scale((*up, *down, bets.threshold * 1.01), _E_LOW, _E_HIGH),
        lines=(
            Line("evidence for spillover", "spillover", asked, up),
            Line("evidence for clean", "clean", asked, down),
        ),
        rules=tuple(rules),
    )


def operating_curve(points: Sequence[OperatingPoint], marks: Iterable[Rule]) -> Chart | None:
    """Return the chance of each verdict over the true rate (log scale, so without rate 0)."""
    kept = [point for point in points if point.rate > 0]
    if len(kept) < 2:
        return None
    rates = tuple(point.rate for point in kept)
    scale = Scale(min(rates), max(rates), log=True)
    return Chart(
        title="Operating curve",
        x_label="true rate",
        y_label="chance of this verdict",
        x=scale,
        y=Scale(0.0, 1.0),
        lines=(
            Line("spillover", "spillover", rates, tuple(point.spillover for point in kept)),
            Line("clean", "clean", rates, tuple(point.clean for point in kept)),
            Line("undecided", "undecided", rates, tuple(point.undecided for point in kept)),
        ),
        rules=tuple(mark for mark in marks if scale.low <= mark.at <= scale.high),
        share=True,
    )


def rate_marks(axis: Axis | None, result: AxisResult | None) -> tuple[Rule, ...]:
    """Return p0 and p1 of a sequential axis as upright rules."""
    bets = result.bets if result else None
    if axis is None or axis.measure != "event" or bets is None:
        return ()
    found = (("p0", bets.p0), ("p1", bets.p1))
    return tuple(Rule(value, label, upright=True) for label, value in found if value is not None)


def _axis_data(scale: Scale, label: str, form: Any) -> dict[str, Any]:
    ticks = scale.ticks()
    return {
        "label": label,
        "low": scale.low,
        "high": scale.high,
        "log": scale.log,
        "ticks": ticks,
        "names": [form(tick) for tick in ticks],
    }


def _share_tick(value: float) -> str:
    return f"{value * 100:.3g}%"


def _number_tick(value: float) -> str:
    return f"{value:,.0f}"
