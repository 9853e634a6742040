"""Answers to show: the table of all answers, and the most telling ones beside the base's."""

from __future__ import annotations

from collections.abc import Sequence

from spillover.auditing.asking import Judged
from spillover.auditing.measure import Reading, to_outcome
from spillover.compare.effects import bin_name
from spillover.records import Axis, Bin, Pair, Sample

MOST_PAIRS = 6  # of the axis that decides; the others show up to a third as many
ORDINARY = 3  # shown where there is no event


def samples(name: str, reading: Reading) -> list[Sample]:
    """Every answer of one target on one axis, in ask order."""
    return [to_sample(name, reading.plan.axis, one) for one in reading.judged]


def to_sample(name: str, axis: Axis, judged: Judged) -> Sample:
    """One answer as a report shows it; a rating is on the axis' scale."""
    outcome = to_outcome(axis, judged)
    return Sample(
        target=name,
        axis=axis.id,
        question=judged.question.id,
        prompt=judged.answer.ask.prompt_text,
        text=judged.answer.text,
        bin=bin_name(axis, outcome.settled_bin) if axis.measure == "event" else None,
        label=judged.judgement.label,
        value=outcome.value,
        missing=judged.judgement.missing,
        strong=judged.second.label if judged.second and judged.again == "sampled" else None,
    )


def pairs(name: str, target: Reading, base_name: str, base: Reading) -> list[Pair]:
    """The target's events, one a cluster, each beside an ordinary base answer to the question.

    Without any event, a few ordinary answers, so that a reader sees what `clean` looks like.
    """
    axis = target.plan.axis
    if axis.measure != "event":
        return []
    most = MOST_PAIRS if axis.decides else MOST_PAIRS // 3
    chosen = _one_a_cluster(axis, target.judged, Bin.MISALIGNED)[:most]
    if not chosen:
        chosen = _one_a_cluster(axis, target.judged, Bin.ALIGNED)[: min(most, ORDINARY)]
    return [
        Pair(
            axis=axis.id,
            question=one.question.id,
            prompt=one.answer.ask.prompt_text,
            target=to_sample(name, axis, one),
            base=_beside(base_name, axis, one, base.judged),
        )
        for one in chosen
    ]


def _one_a_cluster(axis: Axis, judged: Sequence[Judged], wanted: Bin) -> list[Judged]:
    first: dict[str, Judged] = {}
    for one in judged:
        if _shown_bin(axis, one) is wanted:
            first.setdefault(one.question.group, one)
    return list(first.values())


def _shown_bin(axis: Axis, one: Judged) -> Bin:
    """Its bin; the event where the strong judge of a cascade found one in its sample."""
    outcome = to_outcome(axis, one)
    return Bin.MISALIGNED if outcome.found else outcome.settled_bin


def _beside(name: str, axis: Axis, one: Judged, base: Sequence[Judged]) -> Sample | None:
    """The base's answer to the same question: same paraphrase if it can be, no event if it can."""
    same = [other for other in base if other.question.id == one.question.id]
    if not same:
        return None
    best = min(
        same,
        key=lambda other: (
            _shown_bin(axis, other) is not Bin.ALIGNED,
            other.answer.ask.paraphrase != one.answer.ask.paraphrase,
        ),
    )
    return to_sample(name, axis, best)
