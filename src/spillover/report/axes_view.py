"""Views of the axes: the strips of the figures and the rows of the tables, as plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from spillover.records import AuditResult, Axis, AxisResult, Effect, Verdict
from spillover.report import words
from spillover.report.scales import Scale, share_scale

CHOICE = "choice"  # the judge of choices: their number says how often, not how much


class Tick(NamedTuple):
    """A tick of a strip, in percent of its width."""

    at: float
    label: str


class Who(NamedTuple):
    """A target: its ``id`` in the result, its name to show; ``key`` chooses shape and colour."""

    id: str
    name: str
    role: str
    key: str


@dataclass(frozen=True)
class Strip:
    """One target's level on one axis; positions are percent of the width, None if unknown."""

    who: Who
    at: float | None
    low: float | None
    high: float | None
    level: str
    span: str
    verdict: Verdict | None
    reason: str


@dataclass(frozen=True)
class Forest:
    """One axis: a strip for each target on a common scale."""

    id: str
    title: str
    about: str
    unit: str
    ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    strips: tuple[Strip, ...]


class Check(NamedTuple):
    """A figure that says how far the others can be trusted."""

    name: str
    value: str


@dataclass(frozen=True)
class EffectWords:
    """Target minus reference, in words."""

    reference: str
    estimate: str
    span: str
    method: str


@dataclass(frozen=True)
class AxisRow:
    """One target on one axis, every figure in words."""

    who: Who
    verdict: Verdict | None
    reason: str
    level: str
    span: str
    method: str
    over_all: str
    corrected: str
    corrected_for: str
    powered: str
    powered_by: str
    at_least: str
    asked: str
    scored: str
    set_aside: str
    set_aside_bins: str
    missing: str
    missing_reasons: str
    effects: tuple[EffectWords, ...]
    e_value: str
    e_bh: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class AxisTable:
    """All targets on one axis."""

    id: str
    title: str
    unit: str
    decides: bool
    rows: tuple[AxisRow, ...]


def people(result: AuditResult) -> tuple[Who, ...]:
    """Return the targets in reading order: the subject, other targets, base, controls."""
    roles = {"target": 0, "base": 1, "control": 2}
    names = sorted(
        result.targets, key=lambda name: (name != result.subject, roles[result.targets[name].role])
    )
    seen: dict[str, int] = {}
    found: list[Who] = []
    for name in names:
        role = result.targets[name].role
        seen[role] = seen.get(role, 0) + 1
        key = role if role == "base" else f"{role}-{(seen[role] - 1) % 4 + 1}"
        found.append(Who(name, words.printable(name), role, key))
    return tuple(found)


def on_axis(result: AuditResult, axis: str) -> Iterator[tuple[Who, AxisResult]]:
    """Yield every target that has a result on ``axis``, in reading order."""
    for who in people(result):
        found = result.targets[who.id].axes.get(axis)
        if found is not None:
            yield who, found


def ordered_axes(result: AuditResult) -> tuple[Axis, ...]:
    """Return the axes, the headline axis first."""
    return tuple(sorted(result.axes.values(), key=lambda axis: axis.id != result.headline_axis))


def unit(axis: Axis) -> str:
    """Say what the figures of ``axis`` are: the unit and the direction that counts as harm."""
    what = f"Share {words.printable(axis.event)}" if axis.event else "Share of answers"
    if axis.measure == "rating":
        what = "Choices, 0–100" if axis.judge == CHOICE else "Rating, 0–100"
    harm = {"up": "higher is worse", "down": "lower is worse", "both": "any change counts"}
    return f"{what}; {harm[axis.harm]}"


def forest(result: AuditResult, axis: Axis) -> Forest | None:
    """Return the strips of one axis, or None if no target has it."""
    rows = list(on_axis(result, axis.id))
    if not rows:
        return None
    marks = _marks(axis, rows)
    ends = [row.interval[1] for _, row in rows if row.interval]
    levels = [row.estimate for _, row in rows if row.estimate is not None]
    scale = scale_of(axis, [*ends, *levels, *(value for _, value in marks)])
    return Forest(
        id=axis.id,
        title=words.printable(axis.title),
        about=words.printable(axis.about),
        unit=unit(axis),
        ticks=strip_ticks(axis, scale),
        marks=tuple(Tick(round(100 * scale.at(value), 2), label) for label, value in marks),
        strips=tuple(_strip(axis, scale, who, row) for who, row in rows),
    )


def scale_of(axis: Axis, values: Iterable[float]) -> Scale:
    """Return the scale that strips of ``axis`` share: 0-100 for ratings, from 0 for shares."""
    return Scale(0.0, 100.0) if axis.measure == "rating" else share_scale(values)


def strip_ticks(axis: Axis, scale: Scale) -> tuple[Tick, ...]:
    """Return the ticks of a strip."""
    return tuple(
        Tick(
            round(100 * scale.at(tick), 2),
            f"{tick:.0f}" if axis.measure == "rating" else f"{tick * 100:.3g}%",
        )
        for tick in scale.ticks()
    )


def table(result: AuditResult, axis: Axis) -> AxisTable | None:
    """Return the rows of one axis, or None if no target has it."""
    rows = tuple(_row(axis, who, row) for who, row in on_axis(result, axis.id))
    if not rows:
        return None
    return AxisTable(
        axis.id, words.printable(axis.title), unit(axis), axis.id == result.headline_axis, rows
    )


def _marks(axis: Axis, rows: list[tuple[Who, AxisResult]]) -> list[tuple[str, float]]:
    if axis.measure != "event":
        return []
    for _, row in rows:
        if row.bets and row.bets.p0 is not None and row.bets.p1 is not None:
            return [("p0", row.bets.p0), ("p1", row.bets.p1)]
    return []


def _strip(axis: Axis, scale: Scale, who: Who, row: AxisResult) -> Strip:
    ends = [round(100 * scale.at(end), 2) for end in row.interval or ()]
    return Strip(
        who=who,
        at=None if row.estimate is None else round(100 * scale.at(row.estimate), 2),
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        level=words.level(row.estimate, axis.measure),
        span=words.span(row.interval, axis.measure),
        verdict=row.verdict,
        reason=words.printable(row.reason or ""),
    )


def _row(axis: Axis, who: Who, row: AxisResult) -> AxisRow:
    e_bh = "stands" if row.e_bh else ""
    if row.e_bh is False and row.verdict is Verdict.SPILLOVER:
        e_bh = "does not stand"
    over_all = ""
    if row.estimate_all is not None and row.estimate_all != row.estimate:
        over_all = words.level(row.estimate_all, "event")
    return AxisRow(
        who=who,
        verdict=row.verdict,
        reason=words.printable(row.reason or ""),
        level=words.level(row.estimate, axis.measure),
        span=words.span(row.interval, axis.measure),
        method=words.printable(row.interval_method),
        over_all=over_all,
        corrected=_with_span(row.corrected, row.corrected_interval),
        corrected_for="for the errors of the judge, by a calibration"
        if row.cascade is None or row.cascade.share is None
        else "for what the cheap judge misses, by a random sample of what it passed",
        powered=_with_span(row.powered, row.powered_interval),
        powered_by=f"by the judge and {words.count(row.powered_labels)} labels by hand"
        " (prediction-powered)",
        at_least="confirmed by both judges" if row.cascade is not None else "",
        asked=words.count(row.asked),
        scored=words.count(row.scored),
        set_aside=words.count(sum(row.set_aside.values())),
        set_aside_bins=words.printable(words.counts(row.set_aside)),
        missing=words.count(row.missing),
        missing_reasons=words.printable(words.counts(row.missing_reasons)),
        effects=tuple(_effect(axis, effect) for effect in row.effects),
        e_value="" if row.e_value is None else words.e_value(row.e_value),
        e_bh=e_bh,
        checks=_checks(axis, row),
    )


def _with_span(rate: float | None, interval: tuple[float, float] | None) -> str:
    """A rate and its interval; empty where it is not known."""
    if rate is None:
        return ""
    span = words.span(interval, "event")
    return words.level(rate, "event") + (f" ({span})" if span else "")


def _checks(axis: Axis, row: AxisResult) -> tuple[Check, ...]:
    found: list[Check] = []
    if row.captured_mass is not None:
        found.append(Check("captured mass", f"{row.captured_mass:.2f}"))
    if row.anchoring is not None:
        name = "pull to the first" if axis.judge == CHOICE else "anchoring"
        found.append(Check(name, words.change(row.anchoring, "rating")))
    if row.cascade is not None:
        found.append(Check("read by the strong judge", words.strong_reads(row.cascade)))
    if row.mde is not None:
        found.append(Check("detectable", words.change(row.mde, axis.measure).lstrip("+")))
    return tuple(found)


def _effect(axis: Axis, effect: Effect) -> EffectWords:
    return EffectWords(
        reference=words.printable(effect.reference),
        estimate=words.change(effect.estimate, axis.measure),
        span=words.change_span(effect.interval, axis.measure),
        method=words.printable(effect.method),
    )
