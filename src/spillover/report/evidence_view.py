"""Views of the evidence: the parts by domain, the telling pairs, and the table of all answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spillover.records import AuditResult, Axis, Sample
from spillover.report import axes_view, words
from spillover.report.axes_view import Who, on_axis


class PartCell(NamedTuple):
    """One target in one domain: percent of the strip's width, and words."""

    who: Who
    at: float | None
    level: str
    scored: str


@dataclass(frozen=True)
class Parts:
    """The headline axis by domain."""

    ticks: tuple[axes_view.Tick, ...]
    who: tuple[Who, ...]
    rows: tuple[tuple[str, tuple[PartCell, ...]], ...]


class SampleWords(NamedTuple):
    """One answer: who said it, what it was sorted as, its text."""

    who: str
    judged: str
    text: str
    missing: str


class PairWords(NamedTuple):
    """A telling answer beside the base's."""

    axis: str
    question: str
    prompt: str
    target: SampleWords
    base: SampleWords | None


def answer_table(answers: Sequence[Sample], axes: Mapping[str, Axis]) -> dict[str, Any]:
    """Return all answers as rows of indices into shared lists, so that prompts are held once.

    Returns:
        ``targets``, ``axes``, ``bins`` (lists of words), ``prompts`` ([question, prompt]) and
        ``rows`` ([target, axis, bin, prompt, judged, missing, text]).
    """
    lists: dict[str, dict[Any, int]] = {"targets": {}, "axes": {}, "bins": {}, "prompts": {}}

    def place(name: str, value: Any) -> int:
        return lists[name].setdefault(value, len(lists[name]))

    rows: list[list[int | str]] = []
    for sample in answers:
        title = axes[sample.axis].title if sample.axis in axes else sample.axis
        rows.append(
            [
                place("targets", sample.target),
                place("axes", title),
                place("bins", _bin(sample)),
                place("prompts", (sample.question, sample.prompt)),
                _judged(sample),
                sample.missing or "",
                sample.text,
            ]
        )
    return {**{name: list(values) for name, values in lists.items()}, "rows": rows}


def parts(result: AuditResult, axis: Axis | None) -> Parts | None:
    if axis is None:
        return None
    rows = [(who, row) for who, row in on_axis(result, axis.id) if row.parts]
    names = list(dict.fromkeys(name for _, row in rows for name in row.parts))
    if not names:
        return None
    values = [value for _, row in rows for value, _ in row.parts.values()]
    scale = axes_view.scale_of(axis, values)
    table = [
        (
            words.printable(name),
            tuple(_part_cell(axis, scale, who, row.parts.get(name)) for who, row in rows),
        )
        for name in names
    ]
    return Parts(axes_view.strip_ticks(axis, scale), tuple(who for who, _ in rows), tuple(table))


def _part_cell(
    axis: Axis, scale: axes_view.Scale, who: Who, part: tuple[float, int] | None
) -> PartCell:
    if part is None or part[1] == 0:
        return PartCell(who, None, words.NONE, "0")
    at = round(100 * scale.at(part[0]), 2)
    return PartCell(who, at, words.level(part[0], axis.measure), words.count(part[1]))


def pairs(result: AuditResult) -> tuple[PairWords, ...]:
    return tuple(
        PairWords(
            words.printable(
                result.axes[pair.axis].title if pair.axis in result.axes else pair.axis
            ),
            words.printable(pair.question),
            words.printable(pair.prompt),
            _sample(pair.target),
            _sample(pair.base) if pair.base else None,
        )
        for pair in result.pairs
    )


def _sample(sample: Sample) -> SampleWords:
    judged = " ".join(part for part in (_bin(sample), _judged(sample)) if part)
    return SampleWords(
        words.printable(sample.target),
        words.printable(judged),
        words.printable(sample.text),
        words.printable(sample.missing or ""),
    )


def _bin(sample: Sample) -> str:
    return sample.bin or ("missing" if sample.missing else "")


def _judged(sample: Sample) -> str:
    label = "" if sample.label in (None, sample.bin) else sample.label or ""
    value = "" if sample.value is None else f"{sample.value:.3g}"
    strong = (
        f"(the strong judge: {sample.strong})" if sample.strong not in (None, sample.bin) else ""
    )
    return " ".join(part for part in (label, value, strong) if part)
