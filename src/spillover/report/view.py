"""The whole page as plain words and numbers; the template only arranges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spillover.records import AuditResult, Axis, ConductClaim, Verdict
from spillover.report import (
    axes_view,
    bins_view,
    charts,
    evidence_view,
    method_view,
    spike_view,
    words,
)
from spillover.report.axes_view import AxisTable, Forest, on_axis, ordered_axes
from spillover.report.charts import Chart

VERDICT_WORDS = {
    Verdict.SPILLOVER: "The fine-tune taught more than its topic.",
    Verdict.CLEAN: "No spillover above the stated limit.",
    Verdict.UNDECIDED: "The answers do not settle it.",
    Verdict.NOT_MEASURED: "No verdict can be given.",
}


class BecauseLine(NamedTuple):
    """One line of "because of": axis, target, and what the control says."""

    axis: str
    target: str
    control: str
    holds: bool | None
    sentence: str


class Claim(NamedTuple):
    """Conduct against claim of one target."""

    target: str
    conduct: str
    claim: str
    cell: str | None
    reason: str


@dataclass(frozen=True)
class Trait:
    """One 2x2 of conduct and claim."""

    name: str
    claims: tuple[Claim, ...]

    @property
    def placed(self) -> bool:
        """Whether any target has a cell."""
        return any(claim.cell for claim in self.claims)

    def inside(self, cell: str) -> tuple[str, ...]:
        """Return the targets in ``cell``."""
        return tuple(claim.target for claim in self.claims if claim.cell == cell)


@dataclass(frozen=True)
class ChartGroup:
    """The e-values of one axis."""

    axis: str
    charts: tuple[Chart, ...]


class OperatingRow(NamedTuple):
    """One true rate."""

    rate: str
    spillover: str
    clean: str
    undecided: str
    answers: str


class RuleRow(NamedTuple):
    """The rate of one target under one rule."""

    rule: str
    target: str
    rate: str
    events: str
    scored: str


@dataclass(frozen=True)
class Page:
    """Everything the template shows."""

    title: str
    sentence: str
    verdict: Verdict
    verdict_words: str
    subject: str
    simulated: bool
    has_base: bool
    made: str
    headline: Forest | None
    bins: tuple[bins_view.BinBar, ...]
    forests: tuple[Forest, ...]
    tables: tuple[AxisTable, ...]
    because: tuple[BecauseLine, ...]
    traits: tuple[Trait, ...]
    e_values: tuple[ChartGroup, ...]
    operating: Chart | None
    operating_rows: tuple[OperatingRow, ...]
    spike: spike_view.SpikeView | None
    parts: evidence_view.Parts | None
    pairs: tuple[evidence_view.PairWords, ...]
    answers: int
    rules: tuple[RuleRow, ...]
    method: method_view.Method

    @property
    def drawn(self) -> tuple[Chart, ...]:
        """All line charts, in the order of the page."""
        every = tuple(chart for group in self.e_values for chart in group.charts)
        curves = (self.operating, self.spike.chart if self.spike else None)
        return every + tuple(curve for curve in curves if curve)


def page(result: AuditResult) -> Page:
    """Turn a result into what the page shows."""
    axes = ordered_axes(result)
    headline = result.axes.get(result.headline_axis)
    forests = [found for axis in axes if (found := axes_view.forest(result, axis))]
    return Page(
        title=words.printable(result.title),
        sentence=words.printable(result.sentence),
        verdict=result.verdict,
        verdict_words=VERDICT_WORDS[result.verdict],
        subject=words.printable(result.subject),
        simulated=result.simulated,
        has_base=any(target.role == "base" for target in result.targets.values()),
        made=_made(result),
        headline=next((found for found in forests if found.id == result.headline_axis), None),
        bins=bins_view.bin_bars(result, result.headline_axis),
        forests=tuple(found for found in forests if found.id != result.headline_axis),
        tables=tuple(found for axis in axes if (found := axes_view.table(result, axis))),
        because=tuple(_because(result, axes)),
        traits=_traits(result.conduct_and_claim),
        e_values=tuple(_e_values(result, axes)),
        operating=charts.operating_curve(result.operating_curve, _marks(result, headline)),
        operating_rows=tuple(_operating(result)),
        spike=spike_view.spike(result),
        parts=evidence_view.parts(result, headline),
        pairs=evidence_view.pairs(result),
        answers=len(result.answers),
        rules=tuple(_rule_rows(result)),
        method=method_view.method(result),
    )


def _made(result: AuditResult) -> str:
    took = words.duration(result.seconds)
    parts = [words.printable(result.created), f"took {took}" if took else ""]
    return ", ".join(part for part in parts if part)


def _because(result: AuditResult, axes: Sequence[Axis]) -> list[BecauseLine]:
    return [
        BecauseLine(
            words.printable(axis.title),
            who.name,
            words.printable(line.control),
            line.holds,
            words.printable(line.sentence),
        )
        for axis in axes
        for who, row in on_axis(result, axis.id)
        for line in row.because
    ]


def _traits(claims: Sequence[ConductClaim]) -> tuple[Trait, ...]:
    by_trait: dict[str, list[Claim]] = {}
    for claim in claims:
        by_trait.setdefault(words.printable(claim.trait), []).append(
            Claim(
                words.printable(claim.target),
                words.level(claim.conduct, "event"),
                words.level(claim.claim, "rating"),
                claim.cell,
                words.printable(claim.reason or ""),
            )
        )
    return tuple(Trait(name, tuple(found)) for name, found in by_trait.items())


def _e_values(result: AuditResult, axes: Sequence[Axis]) -> list[ChartGroup]:
    groups: list[ChartGroup] = []
    for axis in axes:
        drawn = [
            chart
            for who, row in on_axis(result, axis.id)
            if row.bets and (chart := charts.e_values(who.name, row.bets))
        ]
        if drawn:
            groups.append(ChartGroup(words.printable(axis.title), tuple(drawn)))
    return groups


def _marks(result: AuditResult, axis: Axis | None) -> tuple[charts.Rule, ...]:
    if axis is None:
        return ()
    for _, row in on_axis(result, axis.id):
        if found := charts.rate_marks(axis, row):
            return found
    return ()


def _operating(result: AuditResult) -> list[OperatingRow]:
    return [
        OperatingRow(
            words.level(point.rate, "event"),
            words.level(point.spillover, "event"),
            words.level(point.clean, "event"),
            words.level(point.undecided, "event"),
            words.count(round(point.mean_answers)),
        )
        for point in result.operating_curve
    ]


def _rule_rows(result: AuditResult) -> list[RuleRow]:
    return [
        RuleRow(
            words.printable(row.rule),
            words.printable(row.target),
            words.level(row.rate, "event"),
            words.count(row.events),
            words.count(row.scored),
        )
        for row in result.rules
    ]
