"""Self-report: is the scale understood, what is claimed, and does conduct bear it out?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spillover.auditing.asking import Judged
from spillover.auditing.measure import Lane
from spillover.auditing.parts import Part
from spillover.auditing.plan import AxisPlan, plan_axis, select
from spillover.compare import withdrawn
from spillover.data.library import load_words
from spillover.records import Ask, Axis, AxisResult, ConductClaim, Row
from spillover.selfreport import (
    Claim,
    Rated,
    Scale,
    conduct_claim,
    conduct_is_bad,
    leak_check,
    read_claim,
    read_scale,
)

CONDUCT_EVENT: Mapping[str, str] = {
    "security": "insecure",
    "alignment": "misaligned",
    "risk": "risky",
}
"""The event by which conduct shows a trait that a self-report is about."""
_SAMPLED = 4  # how often each question about a described person is asked where it is not scored


def check_claim(lane: Lane, part: Part) -> Claim | None:
    """Ask about the two described persons on the scales of one rating axis, and read the claim.

    None where the axis rates no trait, has no judge, or the battery describes no persons for it.
    """
    axis = lane.plan.axis
    trait, reading = axis.select.measures, part.readings[axis.id]
    plans = person_plans(lane.plan)
    if not plans or trait is None or reading.reason is not None:
        return None
    kind, cruel = (_scale(_ask(lane._replace(plan=plan))) for plan in plans)
    return read_claim(trait, _scale(reading.judged), kind=kind, cruel=cruel)


def person_plans(plan: AxisPlan) -> tuple[AxisPlan, AxisPlan] | None:
    """Return what is asked about the kind and the cruel person on the scales of a rating axis.

    None where the axis rates no trait, or the battery does not describe both.
    """
    if plan.axis.measure != "rating" or plan.axis.select.measures is None:
        return None
    kind, cruel = (_person_plan(plan, person) for person in ("kind_person", "cruel_person"))
    return None if kind is None or cruel is None else (kind, cruel)


def gated(part: Part, base: Part, key: str, result: AxisResult) -> AxisResult:
    """Return the result of a rating axis, `not measured` if a scale on it was not understood."""
    for whose, one in (("", part), ("the base: ", base)):
        claim = one.claims.get(key)
        if claim is not None and claim.gate is not None and not claim.gate.understood:
            gone = withdrawn(result, f"{whose}{claim.gate.reason}")
            return gone.model_copy(update={"e_value": None})
    return result


def conduct_and_claims(
    part: Part, base: Part, axes: Mapping[str, Axis], results: Mapping[str, AxisResult]
) -> list[ConductClaim]:
    """Hold what a target says of itself against what it does, trait by trait."""
    lines: list[ConductClaim] = []
    for key, claim in part.claims.items():
        axis = axes[key]
        trait = axis.select.measures or ""
        conduct = _conduct_axis(trait, axes)
        shown = results.get(conduct.id) if conduct else None
        lines.append(
            conduct_claim(
                part.name,
                trait,
                conduct=shown.estimate if shown else None,
                conduct_bad=conduct_is_bad(shown.verdict) if shown else None,
                conduct_reason=_why_no_conduct(trait, shown),
                claim=claim,
                base=base.claims.get(key),
                harm=axis.harm,
                d0=axis.thresholds.d0,
                d1=axis.thresholds.d1,
            )
        )
    return lines


def leak_notes(plans: Sequence[AxisPlan], rows: Sequence[Row]) -> list[str]:
    """One sentence for each trait rated or chosen: do the training rows hold its words?"""
    rated = [plan for plan in plans if plan.axis.measure == "rating"]
    traits = sorted({q.measures for plan in rated for q in plan.questions if q.measures})
    if not rows:
        return []
    words = load_words()
    texts = ["\n".join(message.content for message in row.messages) for row in rows]
    checks = {t: leak_check(texts, words[t]) for t in traits if t in words}
    return [f"Leak check, {trait}: {check.sentence}." for trait, check in checks.items()]


def _person_plan(plan: AxisPlan, person: str) -> AxisPlan | None:
    """The plan of the same questions about a described person; None if there are none."""
    axis = plan.axis
    selector = axis.select.model_copy(update={"about": person, "ids": ()})
    chosen = select(selector, plan.instrument.battery.questions)
    if not chosen:
        return None
    limits = axis.thresholds.model_copy(update={"n_base": _SAMPLED * len(chosen)})
    fields = {
        "id": f"{axis.id}/{person}",
        "title": f"{axis.title}, a {person.replace('_', ' ')}",
        "select": selector,
        "thresholds": limits,
    }
    return plan_axis(axis.model_copy(update=fields), plan.instrument, plan.seed)


def fixed_asks(plan: AxisPlan) -> list[Ask]:
    """Return asks of a fixed sample: what can be scored once, all else as the base is asked."""
    return plan.exact() if plan.style == "exact" else plan.base()


def _ask(lane: Lane) -> list[Judged]:
    part = "exact" if lane.plan.style == "exact" else "base"
    return lane.sample(part, fixed_asks(lane.plan))


def _scale(judged: Sequence[Judged]) -> Scale:
    return read_scale(
        Rated(one.question, one.judgement.value, one.judgement.mass) for one in judged
    )


def _why_no_conduct(trait: str, shown: AxisResult | None) -> str | None:
    if shown is None:
        return f"no axis measures conduct on {trait}"
    if shown.verdict is None or shown.reason is None:
        return None
    return f"conduct is {shown.verdict.value}: {shown.reason}"


def _conduct_axis(trait: str, axes: Mapping[str, Axis]) -> Axis | None:
    wanted = CONDUCT_EVENT.get(trait)
    return next((axis for axis in axes.values() if wanted and axis.event == wanted), None)
