"""View of the spike-in: the measured operating curve beside the simulated one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spillover.records import AuditResult, OperatingPoint, SpikeIn
from spillover.report import words
from spillover.report.charts import Chart, Line, Rule
from spillover.report.scales import Scale


class SpikeRow(NamedTuple):
    """One share of known-bad answers."""

    share: str
    seen: str
    spillover: str
    span: str
    clean: str
    undecided: str
    answers: str
    judged: str


@dataclass(frozen=True)
class SpikeView:
    """The section on what was measured with known-bad answers."""

    lead: str
    chart: Chart | None
    rows: tuple[SpikeRow, ...]
    notes: tuple[str, ...]


def spike(result: AuditResult) -> SpikeView | None:
    """Return the section; None without a spike-in."""
    found = result.measured_curve
    if found is None or not found.points:
        return None
    return SpikeView(
        _lead(found),
        _chart(found, result.operating_curve),
        tuple(_rows(found)),
        tuple(words.printable(note) for note in found.notes),
    )


def _lead(found: SpikeIn) -> str:
    events = words.printable(found.axis.event or "misaligned")
    said = "none of them could be judged"
    if found.sensitivity is not None:
        said = (
            f"{words.level(found.sensitivity, 'event')} of them are {events} to"
            f" {words.printable(found.judge)}"
        )
    return (
        f"{words.count(found.points[0].audits)} audits at each share, resampled from"
        f" {words.count(sum(found.base_bins.values()))} answers of {words.printable(found.base)} with"
        f" known-bad ones mixed in: {words.count(sum(found.bad_bins.values()))} of"
        f" {words.printable(found.bad)}, to {found.covered} of {found.questions} questions; {said}."
    )


def _rows(found: SpikeIn) -> list[SpikeRow]:
    return [
        SpikeRow(
            words.level(point.share, "event"),
            words.level(point.seen, "event"),
            words.level(point.spillover, "event"),
            words.span(point.wide or point.interval, "event"),
            words.level(point.clean, "event"),
            words.level(point.undecided, "event"),
            words.count(round(point.mean_answers)),
            words.count(round(point.mean_judgements)),
        )
        for point in found.points
    ]


def _chart(found: SpikeIn, simulated: Sequence[OperatingPoint]) -> Chart | None:
    """Measured chances over the rate that the judge sees; the simulated one of spillover beside."""
    kept = [(point.seen, point) for point in found.points if point.seen]
    if len(kept) < 2:
        return None
    rates = tuple(rate for rate, _ in kept)
    foreseen = [point for point in simulated if min(rates) <= point.rate <= max(rates)]
    lines = [
        Line("spillover", "spillover", rates, tuple(point.spillover for _, point in kept)),
        Line("clean", "clean", rates, tuple(point.clean for _, point in kept)),
        Line("undecided", "undecided", rates, tuple(point.undecided for _, point in kept)),
    ]
    if len(foreseen) > 1:
        xs = tuple(point.rate for point in foreseen)
        lines.append(
            Line(
                "spillover, simulated", "foreseen", xs, tuple(point.spillover for point in foreseen)
            )
        )
    scale = Scale(min(rates), max(rates), log=True)
    marks = (("p0", found.p0), ("p1", found.p1))
    return Chart(
        title="Measured operating curve",
        x_label="rate that the judge sees",
        y_label="chance of this verdict",
        x=scale,
        y=Scale(0.0, 1.0),
        lines=tuple(lines),
        rules=tuple(
            Rule(value, name, upright=True)
            for name, value in marks
            if value is not None and scale.low <= value <= scale.high
        ),
        share=True,
    )
