"""Rates by a judge and by labels by hand of a target's own answers: prediction-powered ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from spillover.compare.gold import answer_id, set_aside
from spillover.errors import MissingExtraError
from spillover.records import AuditResult, Axis, AxisResult, Bin, Calibration, HandLabel, Sample
from spillover.stats.prevalence import Stratum, prediction_powered_mean, weighted_rate

LEAST = 20  # labelled answers of a target


class _Judged(NamedTuple):
    """A coherent answer of one target: whether the judge calls it an event, and its label."""

    called: bool
    hand: HandLabel | None


def with_powered(result: AuditResult) -> AuditResult:
    """Return the result with a prediction-powered rate for each target whose answers are labelled.

    On the axis that decides, among the answers that the judge finds coherent, as ``estimate`` is:
    the share that a person calls the event. It needs labels of that target's own answers, at
    least 20, and one of each of the judge's bins; a note says where they are lacking. It decides
    nothing.
    """
    known = result.calibration
    axis = result.axes[result.headline_axis]
    if known is None or (axis.judge, axis.event or Bin.MISALIGNED) != (known.judge, known.event):
        return result
    answers, strange = _coherent(result.answers, axis, known)
    targets, few = dict(result.targets), dict[str, int]()
    try:
        for name, target in result.targets.items():
            if name in strange:
                continue
            own = answers.get(name, [])
            labelled = sum(one.hand is not None for one in own)
            level = target.axes[axis.id]
            changed = _powered(level, own, known.event) if labelled >= LEAST else None
            if changed is None:
                few[name] = labelled
                continue
            targets[name] = target.model_copy(update={"axes": {**target.axes, axis.id: changed}})
    except MissingExtraError as error:
        return result.model_copy(update={"notes": (*result.notes, f"{_say(str(error))}.")})
    notes = (*result.notes, *map(_strange, strange.values()))
    if few:
        notes = (*notes, _few(few, known))
    return result.model_copy(update={"targets": targets, "notes": notes})


def _powered(result: AxisResult, answers: Sequence[_Judged], event: str) -> AxisResult | None:
    exact = weighted_rate(_strata(answers, event))
    if exact is None:  # of what the judge calls so, or of the rest, none is labelled
        return None
    labelled = [(one.hand, one.called) for one in answers if one.hand is not None]
    found = prediction_powered_mean(
        [float(hand.label == event) for hand, _ in labelled],
        [float(called) for _, called in labelled],
        [float(one.called) for one in answers],
        weights=[hand.weight for hand, _ in labelled],
    )
    # Where the labels hold few events or few errors of the judge, the normal approximation is
    # blind to those that they may have missed; the exact bounds of the judge's bins are not.
    low, high = min(found.low, exact.low), max(found.high, exact.high)
    return result.model_copy(
        update={
            "powered": min(1.0, max(0.0, found.estimate)),
            "powered_interval": (max(0.0, low), min(1.0, high)),
            "powered_labels": len(labelled),
        }
    )


def _strata(answers: Sequence[_Judged], event: str) -> list[Stratum]:
    """What the judge calls the event and the rest, each by how its labelled answers were drawn."""
    found: list[Stratum] = []
    for called in (True, False):
        alike = [one for one in answers if one.called is called]
        hands = [one.hand for one in alike if one.hand is not None]
        total = sum(hand.weight for hand in hands)
        if alike and not hands:
            found.append(Stratum(len(alike), 0, 0, called))
        for weight in dict.fromkeys(hand.weight for hand in hands):
            drawn = [hand for hand in hands if hand.weight == weight]
            events = sum(hand.label == event for hand in drawn)
            size = len(alike) * weight * len(drawn) / total
            found.append(Stratum(size, len(drawn), events, called))
    return found


class _Strange(NamedTuple):
    """A target of whose name there are labels of answers that it did not give."""

    target: str
    lacking: int
    labelled: int


class _Own(NamedTuple):
    answers: dict[str, list[_Judged]]
    strange: dict[str, _Strange]


def _coherent(samples: Sequence[Sample], axis: Axis, known: Calibration) -> _Own:
    """The answers in the denominator of the rate, by target, each with its label by hand.

    A target that lacks some of the answers that were labelled under its name is another model, or
    was asked anew: what it has in common with the labelled one is no random sample of its own.
    """
    seen, met = Counter[str](), set[str]()
    found: dict[str, list[_Judged]] = {}
    for sample in samples:
        if sample.axis != axis.id or sample.bin is None:
            continue
        key = answer_id(sample, seen)  # counted, also where it is set aside
        hand = known.labels.get(key)
        met.add(key)
        if sample.bin != Bin.MISSING and not set_aside(sample.bin):
            found.setdefault(sample.target, []).append(_Judged(sample.bin == known.event, hand))
    labelled = Counter(hand.target for hand in known.labels.values())
    lacking = Counter(hand.target for key, hand in known.labels.items() if key not in met)
    strange = {
        name: _Strange(name, lacking[name], labelled[name]) for name in found if lacking[name]
    }
    return _Own(found, strange)


def _strange(one: _Strange) -> str:
    return (
        f"No prediction-powered rate of {one.target}: of {one.labelled} answers labelled under that"
        f" name it did not give {one.lacking}, so that the labels are of another model, or of other asks."
    )


def _few(few: dict[str, int], known: Calibration) -> str:
    if not known.labels:
        return (
            "No prediction-powered rate: the calibration was made by a version that keeps no labels;"
            " make it again (judge calibrate)."
        )
    if not any(few.values()):
        names = ", ".join(few)
        return f"No prediction-powered rate of {names}: no answer of theirs is labelled by hand."
    counts = ", ".join(f"{name} {number}" for name, number in few.items())
    return (
        f"No prediction-powered rate where fewer than {LEAST} of a target's answers are labelled by"
        f" hand, or none of what the judge calls misaligned, or none of the rest: {counts}."
    )


def _say(text: str) -> str:
    return text[:1].upper() + text[1:]
