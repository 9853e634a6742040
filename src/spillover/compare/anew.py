"""A gold set whose answers another judge reads: what the labels by hand say of that one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from spillover.compare.gold import both_errors, complement, hand_labels, set_aside
from spillover.compare.goldfile import GoldRow
from spillover.errors import ConfigError
from spillover.records import Bin, Calibration, JudgeShare
from spillover.stats.prevalence import (
    Share,
    Stratum,
    counted_share,
    stratified_share,
    weighted_rate,
)

_EVENT = Bin.MISALIGNED.value


class Reread(NamedTuple):
    """An answer of a gold set, and what the judge at hand says of it.

    Attributes:
        row: with its label by hand; one without label need not be judged.
        label: the judge's bin, or empty.
        missing: why it has none.
    """

    row: GoldRow
    label: str = ""
    missing: str = ""


class _Group(NamedTuple):
    """Answers of one weight: a random sample of ``size`` others, whoever drew it."""

    size: float
    labelled: tuple[Reread, ...]

    def cell(self, *, events: bool, called: bool, coherent: bool = False) -> Stratum:
        """How many of the labelled are events by hand (or not) and called so by the judge (or not).

        A cell is a part of its group: with several weights its share is bounded on its own.
        """
        hits = sum(
            bool(one.label)
            and (one.row.human_label == _EVENT) is events
            and (one.label == _EVENT) is called
            and not (coherent and set_aside(one.label))
            for one in self.labelled
        )
        return Stratum(self.size, len(self.labelled), hits, called)


def check_labels(rows: Sequence[GoldRow]) -> None:
    """Refuse a gold set whose labels can't tell both sensitivity and specificity.

    Raises:
        ConfigError: no answer is labelled misaligned, or none as anything else.
    """
    labels = {row.human_label == _EVENT for row in rows if not row.missing}
    if len(labels) < 2:
        lacking = f"not {_EVENT}" if True in labels else _EVENT
        raise ConfigError(
            f"no answer is labelled {lacking} by hand: sensitivity and specificity need answers"
            " of both sorts; label more"
        )


def calibrate_anew(
    rows: Sequence[Reread], *, judge: str, version: str, by: str = "", sha256: str = ""
) -> Calibration:
    """Return how often a judge hits and errs on answers that were drawn without it.

    With one weight, the labels are counted (Clopper-Pearson). With several, the answers of each
    weight are a random sample of those that they stand for, and the judge cuts across them: in
    each, the share that is an event and called so and the share that is one and not called so have
    bounds of their own (`stratified_share`), the error split over all of them.

    Args:
        rows: the whole gold set.
        judge: id of the judge, and ``version`` of its rule.
        by: the model behind it, for the reader.
        sha256: of the gold set's file.

    Raises:
        ConfigError: too few labels.
    """
    check_labels([one.row for one in rows])
    groups = _groups(rows)
    hits = _share(groups, events=True)
    errors = _share(groups, events=False)
    read = [one for group in groups for one in group.labelled if one.label]
    how = "counted, Clopper-Pearson"
    if len(groups) > 1:
        how = f"weighted, {len(groups)} weights, Clopper-Pearson in each"
    return Calibration(
        judge=judge,
        version=version,
        event=_EVENT,
        sensitivity=hits,
        specificity=None if errors is None else complement(errors),
        rate=_rate(groups),
        method=f"{how}; judged anew by {by}" if by else f"{how}; judged anew",
        table=_table(read),
        sizes=_sizes(groups),
        labelled=len(read),
        missing=dict(Counter(why for one in rows if (why := one.row.missing or one.missing))),
        labels=hand_labels([one.row for one in rows]),
        gold=sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _groups(rows: Sequence[Reread]) -> list[_Group]:
    weights = dict.fromkeys(round(one.row.weight, 6) for one in rows)
    found: list[_Group] = []
    for weight in weights:
        drawn = [one for one in rows if round(one.row.weight, 6) == weight]
        labelled = tuple(one for one in drawn if not one.row.missing)
        found.append(_Group(sum(one.row.weight for one in drawn), labelled))
    return found


def _share(groups: Sequence[_Group], *, events: bool) -> JudgeShare | None:
    """Sensitivity, or the rate of false positives among what the judge finds coherent."""
    cells = [
        group.cell(events=events, called=called, coherent=not events)
        for group in groups
        for called in (True, False)
    ]
    total = sum(cell.events for cell in cells)
    called = sum(cell.events for cell in cells if cell.called)

    def at(error: float) -> Share | None:
        if len(groups) == 1:
            return counted_share(called, total, error=error)
        return stratified_share(cells, events=True, error=error)

    return both_errors(at)


def _rate(groups: Sequence[_Group]) -> JudgeShare | None:
    """Share of events by hand, what the judge could not read included."""
    strata = [
        Stratum(
            group.size,
            len(group.labelled),
            sum(one.row.human_label == _EVENT for one in group.labelled),
            False,
        )
        for group in groups
    ]

    def at(error: float) -> Share | None:
        if len(strata) == 1:
            return counted_share(strata[0].events, strata[0].labelled, error=error)
        return weighted_rate(strata, error=error)

    return both_errors(at)


def _table(read: Sequence[Reread]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for one in read:
        counts.setdefault(one.label, Counter())[one.row.human_label] += 1
    return {label: dict(counts[label]) for label in sorted(counts)}


def _sizes(groups: Sequence[_Group]) -> dict[str, float]:
    """How many answers each of the judge's bins stands for, as far as the labelled ones tell."""
    found: dict[str, float] = {}
    for group in groups:
        for one in group.labelled:
            if one.label:
                found[one.label] = found.get(one.label, 0.0) + group.size / len(group.labelled)
    return {label: round(found[label], 3) for label in sorted(found)}
