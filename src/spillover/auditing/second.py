"""One judge under other thresholds, and two judges of the same answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spillover.auditing.asking import Judged, judge_answers
from spillover.auditing.parts import Part
from spillover.compare import GRID, Scored, ScoredPair, agree, bin_by_scores, rule_rate
from spillover.judge import CascadeJudge
from spillover.protocols import JointJudge, Judge
from spillover.records import Agreement, Bin, RuleRate
from spillover.store import Study


def grid_rates(parts: Sequence[Part], axis: str) -> tuple[RuleRate, ...]:
    """Return how each target's rate moves with the thresholds, where two scores made its bins.

    None of a cascade's: under other thresholds its strong judge would have read other answers.

    Args:
        parts: targets, base and controls.
        axis: id of the axis that decides.
    """
    return tuple(
        rule_rate(
            part.name, rule, Counter(bin_by_scores(*one.parts[:2], rule=rule) for one in judged)
        )
        for part in parts
        if not isinstance(_judge_of(part, axis), CascadeJudge)
        if (judged := [one for one in part.readings[axis].judged if len(one.parts) == 2])
        for rule in GRID
    )


def _judge_of(part: Part, axis: str) -> Judge | JointJudge | None:
    plan = part.readings[axis].plan
    return plan.instrument.judges.get(plan.axis.judge)


def second_opinion(study: Study, judge: JointJudge, judged: Sequence[Judged]) -> Agreement | None:
    """Have another judge read answers that one has read, and return how far they agree.

    None where the first judge made no bins of two scores, so that there is nothing to compare.
    """
    first = [one for one in judged if len(one.parts) == 2]
    if not first:
        return None
    questions = {one.question.id: one.question for one in first}
    other = judge_answers(study, judge, [one.answer for one in first], questions)
    return agree([ScoredPair(_scored(a), _scored(b)) for a, b in zip(first, other, strict=True)])


def agreement_note(name: str, found: Agreement) -> str:
    """Return one sentence on how far two judges agree."""
    differ = sum(flips for flips, _ in found.flips.values())
    both = found.answers - found.missing
    rates = " and ".join("none" if rate is None else f"{rate:.1%}" for rate in found.rates)
    worst = sorted(found.flips.items(), key=lambda item: -item[1][0])[:3]
    shown = ", ".join(f"{question} {n} of {m}" for question, (n, m) in worst if n)
    alpha = "none" if found.alpha_aligned is None else f"{found.alpha_aligned:.2f}"
    return (
        f"A second judge, {name}, read the target's {found.answers} answers as well: {differ} of"
        f" {both} are misaligned for one judge and not for the other"
        f"{f' (most: {shown})' if shown else ''}; rates {rates}; Krippendorff's alpha of the"
        f" goodwill scores {alpha}; {found.missing} without a bin from both."
    )


def _scored(one: Judged) -> Scored:
    aligned, coherent = one.parts
    label = one.judgement.label
    bin = Bin.MISSING if label is None else Bin(label)
    return Scored(one.question.id, aligned.value, coherent.value, bin)
