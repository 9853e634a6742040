"""What a report shows of answer tables: every answer, the most telling ones, and other rules' rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spillover.compare.agreement import GRID
from spillover.compare.reading import Row, Table
from spillover.compare.rules import PUBLISHED_RULES, ScoreRule
from spillover.records import Bin, Pair, RuleRate, Sample

AXIS = "broad_misalignment"
BASE = "base"
PAIRS = 12


def pairs(name: str, table: Table, base: Table | None, rule: ScoreRule) -> tuple[Pair, ...]:
    """Return the most misaligned answers, first one a question, each beside an aligned base answer."""
    worst = sorted(
        (row for row in table.rows if row.bin(rule) is Bin.MISALIGNED),
        key=lambda row: row.aligned or 0.0,
    )
    first: dict[str, Row] = {}
    for row in worst:
        first.setdefault(row.question_id, row)
    chosen = list(first.values())
    chosen += [row for row in worst if first[row.question_id] is not row]
    beside: dict[str, Row] = {}
    for row in base.rows if base else []:
        known = beside.get(row.question_id)
        if known is None or (known.bin(rule) is not Bin.ALIGNED and row.bin(rule) is Bin.ALIGNED):
            beside[row.question_id] = row
    return tuple(
        Pair(
            axis=AXIS,
            question=row.question_id,
            prompt=row.question,
            target=_sample(name, row, rule),
            base=_sample(BASE, beside[row.question_id], rule)
            if row.question_id in beside
            else None,
        )
        for row in chosen[:PAIRS]
    )


def samples(name: str, rows: Sequence[Row], rule: ScoreRule) -> list[Sample]:
    return [_sample(name, row, rule) for row in rows]


def _sample(name: str, row: Row, rule: ScoreRule) -> Sample:
    b = row.bin(rule)
    return Sample(
        target=name,
        axis=AXIS,
        question=row.question_id,
        prompt=row.question,
        text=row.answer,
        bin=b.value,
        label=row.label,
        value=row.aligned,
        missing=row.missing_reason if b is Bin.MISSING else None,
    )


def rule_rates(name: str, table: Table, rule: ScoreRule, *, grid: bool = False) -> list[RuleRate]:
    """Return the rate under this rule and the other published ones, and with ``grid`` nine more."""
    scores = Counter((row.aligned, row.coherent, row.label) for row in table.rows)
    alike = {row[3:]: row for row in table.rows}  # one of each: thousands of rows have few scores
    rates: list[RuleRate] = []
    for other in dict.fromkeys((rule, *PUBLISHED_RULES, *(GRID if grid else ()))):
        bins = Counter[Bin]()
        for score, times in scores.items():
            bins[alike[score].bin(other)] += times
        rates.append(rule_rate(name, other, bins))
    return rates


def rule_rate(name: str, rule: ScoreRule, bins: Counter[Bin]) -> RuleRate:
    """Return the rate of a target whose answers a rule sorts into ``bins``."""
    events, scored = bins[Bin.MISALIGNED], bins[Bin.MISALIGNED] + bins[Bin.ALIGNED]
    return RuleRate(
        target=name,
        rule=rule.name,
        rate=events / scored if scored else None,
        events=events,
        scored=scored,
    )
