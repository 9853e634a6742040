"""Gold sets: answers drawn from a result, labelled by hand, and what they say of the judge."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from spillover.compare.goldfile import GoldRow
from spillover.compare.rules import DECLINED_LABELS, INCOHERENT_LABELS
from spillover.errors import ConfigError
from spillover.records import AuditResult, Bin, Calibration, HandLabel, JudgeShare, Sample
from spillover.stats.prevalence import (
    ERROR,
    Share,
    Stratum,
    counted_share,
    stratified_share,
    weighted_rate,
)

LEAST = 10  # drawn from each bin, where it has so many
SURE = 0.005  # error of the bounds that verdicts use, each side


def draw_gold(
    result: AuditResult, *, count: int, seed: int = 0, target: str | None = None
) -> list[GoldRow]:
    """Draw answers of the deciding axis, bin by bin, in an order that does not show the bin.

    Half of ``count`` (or all there are) from what the judge calls the event, the rest from the
    other bins in proportion, but at least 10 of each. An answer's weight is how many answers of
    its bin it stands for.

    Args:
        result: an audit's or a comparison's.
        count: how many answers to draw.
        seed: of the draw.
        target: only answers of this target; None: of all.

    Raises:
        ConfigError: no such target, no event axis, or no answer with a bin.
    """
    axis = result.axes[result.headline_axis]
    if target is not None and target not in result.targets:
        raise ConfigError(f"no target {target!r}; known: {', '.join(sorted(result.targets))}")
    if axis.measure != "event":
        raise ConfigError(f"axis {axis.id!r} is a rating: only events can be labelled by hand")
    pools: dict[str, list[tuple[str, Sample]]] = {}
    seen = Counter[str]()
    for sample in result.answers:
        if sample.axis != axis.id or sample.bin is None:
            continue
        name = answer_id(sample, seen)
        if target in (None, sample.target) and sample.bin != Bin.MISSING:
            pools.setdefault(sample.bin, []).append((name, sample))
    if not pools:
        raise ConfigError(f"no judged answer on axis {axis.id!r} to draw from")
    judge, version = judge_of(result)
    generator = random.Random(seed)
    rows: list[GoldRow] = []
    sizes = _allocate({key: len(pool) for key, pool in pools.items()}, count, axis.event or "")
    for key, size in sizes.items():
        weight = len(pools[key]) / size if size else 0.0
        for name, sample in generator.sample(pools[key], size):
            rows.append(
                GoldRow(
                    id=name, target=sample.target, question=sample.prompt, answer=sample.text,
                    judge=judge, judge_version=version, judge_label=key, weight=weight,
                    human_label="", when="",
                )
            )  # fmt: skip
    generator.shuffle(rows)
    return rows


def judge_of(result: AuditResult) -> tuple[str, str]:
    """Return id and version of the judge of a result's deciding axis."""
    judge = result.axes[result.headline_axis].judge
    return judge, result.versions.get(f"judge {judge}", "")


def calibrate(rows: Sequence[GoldRow], *, sha256: str = "") -> Calibration:
    """Return how often the judge of a gold set hits and errs.

    Where all weights are the same the labels are counted (Clopper-Pearson); else they are
    weighted, with the bounds of each bin (see `stratified_share`).

    Args:
        rows: the gold set, with the rows that have no label.
        sha256: of its file.

    Raises:
        ConfigError: two judges or versions in one set, or too few labels to say anything.
    """
    judges = {(row.judge, row.judge_version) for row in rows}
    if len(judges) != 1:
        raise ConfigError(
            f"a gold set has one judge, not {len(judges)}: "
            f"{', '.join(' '.join(one).strip() or '(none)' for one in sorted(judges))}"
        )
    event = Bin.MISALIGNED.value
    strata = {key: _stratum(rows, key, event) for key in dict.fromkeys(r.judge_label for r in rows)}
    even = len({round(row.weight, 6) for row in rows}) == 1
    coherent = [one for key, one in strata.items() if not set_aside(key)]
    sensitivity = _share(list(strata.values()), events=True, even=even)
    false_positives = _share(coherent, events=False, even=even)
    if sensitivity is None or false_positives is None:
        lacking = event if sensitivity is None else f"not {event}"
        raise ConfigError(
            f"no answer is labelled {lacking} by hand: sensitivity and specificity need answers"
            " of both sorts; label more"
        )
    judge, version = judges.pop()
    unlabelled = Counter(row.missing for row in rows if row.missing)
    return Calibration(
        judge=judge,
        version=version,
        event=event,
        sensitivity=sensitivity,
        specificity=complement(false_positives),
        rate=_rate(list(strata.values()), even=even),
        method="counted, Clopper-Pearson" if even else "weighted by bin, Clopper-Pearson in each",
        table={
            key: dict(
                Counter(r.human_label for r in rows if r.judge_label == key and not r.missing)
            )
            for key in strata
        },
        sizes={key: round(one.size, 3) for key, one in strata.items()},
        labelled=sum(one.labelled for one in strata.values()),
        missing=dict(unlabelled),
        labels=hand_labels(rows),
        gold=sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _stratum(rows: Sequence[GoldRow], key: str, event: str) -> Stratum:
    drawn = [row for row in rows if row.judge_label == key]
    labels = [row.human_label for row in drawn if not row.missing]
    size = sum(row.weight for row in drawn)
    return Stratum(size, len(labels), labels.count(event), key == event)


def _share(strata: Sequence[Stratum], *, events: bool, even: bool) -> JudgeShare | None:
    def at(error: float) -> Share | None:
        if not even:
            return stratified_share(strata, events=events, error=error)
        counts = [(s.events if events else s.labelled - s.events, s.called) for s in strata]
        hits = sum(number for number, called in counts if called)
        return counted_share(hits, sum(number for number, _ in counts), error=error)

    return both_errors(at)


def _rate(strata: Sequence[Stratum], *, even: bool) -> JudgeShare | None:
    """Share of events by hand in all that was drawn from."""

    def at(error: float) -> Share | None:
        if not even:
            return weighted_rate(strata, error=error)
        labelled = sum(one.labelled for one in strata)
        return counted_share(sum(one.events for one in strata), labelled, error=error)

    return both_errors(at)


def both_errors(at: Callable[[float], Share | None]) -> JudgeShare | None:
    """Return a share with its interval and surer bounds, given how it is at an error per side."""
    usual, sure = at(ERROR), at(SURE)
    if usual is None or sure is None:
        return None
    return JudgeShare(estimate=usual.estimate, interval=usual[1:], bounds=sure[1:])


def complement(share: JudgeShare) -> JudgeShare:
    """Return the share of the opposite."""
    return JudgeShare(
        estimate=1 - share.estimate,
        interval=(1 - share.interval[1], 1 - share.interval[0]),
        bounds=(1 - share.bounds[1], 1 - share.bounds[0]),
    )


def set_aside(label: str) -> bool:
    """Whether a judge's label keeps an answer out of the rate among coherent ones."""
    return label.casefold() in DECLINED_LABELS | INCOHERENT_LABELS


def _allocate(sizes: dict[str, int], count: int, event: str) -> dict[str, int]:
    """How many answers to draw from each bin."""
    taken = {event: min(sizes.get(event, 0), math.ceil(count / 2))} if event in sizes else {}
    rest = {key: size for key, size in sizes.items() if key != event}
    left, total = count - sum(taken.values()), sum(rest.values())
    for key, size in rest.items():
        taken[key] = min(size, max(min(LEAST, size), round(left * size / total)))
    return taken


def hand_labels(rows: Sequence[GoldRow]) -> dict[str, HandLabel]:
    """Return the labels by the answer's id; those of one bin and weight stand for their unlabelled."""
    drawn = Counter((row.judge_label, row.weight) for row in rows)
    labelled = Counter((row.judge_label, row.weight) for row in rows if not row.missing)
    found: dict[str, HandLabel] = {}
    for row in rows:
        if not row.missing:
            like = (row.judge_label, row.weight)
            weight = row.weight * drawn[like] / labelled[like]
            fields = {"target": row.target, "label": row.human_label, "weight": weight}
            found[row.id] = HandLabel.model_validate(fields)
    return found


def answer_id(sample: Sample, seen: Counter[str]) -> str:
    """Return a name for an answer by its content, so that it stays the same in later results.

    Args:
        sample: the answer.
        seen: how often each content came before; counted up.
    """
    text = "\0".join((sample.target, sample.axis, sample.question, sample.prompt, sample.text))
    name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"
