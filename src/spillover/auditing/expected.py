"""What is to come of an audit, before it begins: fine-tunings, answers, and time where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spillover.auditing.claims import fixed_asks, person_plans
from spillover.auditing.crew import make_plans
from spillover.auditing.plan import AxisPlan
from spillover.errors import ConfigError
from spillover.protocols import Instrument
from spillover.records import Ask, AxisPace, TargetSpec
from spillover.report import words
from spillover.store import Study, read_pace

_FEW = 20  # answers; fewer tell no pace


class Expected(NamedTuple):
    """What is to come.

    Attributes:
        trainings: fine-tunings; one that was made before is not made again.
        answers: how many mostly come, less those that the study has.
        most: how many at most, where nothing is decided before its cap.
        seconds: what asking and judging ``answers`` takes at the pace that this study has
            measured; None where it has not.
    """

    trainings: int
    answers: int
    most: int
    seconds: float | None

    @property
    def sentence(self) -> str:
        """All of it in words."""
        trainings = f"up to {self.trainings} fine-tuning{'s' if self.trainings > 1 else ''} and "
        text = f"{trainings if self.trainings else ''}about {self.answers:,} answers to come"
        if self.most > self.answers:
            text += f", at most {self.most:,}"
        if self.seconds is None:
            return f"{text}; how long they take is told once {_FEW} have come"
        apart = ", fine-tuning apart" if self.trainings else ""
        time = words.duration(self.seconds) if self.seconds >= 1 else "under 1 s"
        return f"{text}; {time} at the pace of this study{apart}"


def expect(
    instrument: Instrument,
    seed: int,
    study: Study,
    base: TargetSpec,
    others: Sequence[TargetSpec | None],
) -> Expected | None:
    """Return what is to come; None if the study has all of it, or the axes don't fit the battery.

    Args:
        instrument: what is measured with.
        seed: the study's seed.
        study: what it has answered already is not asked again.
        base: asked its fixed samples.
        others: the target, then the controls; None for one that is yet to be made.
    """
    try:
        plans = [plan for plan in make_plans(instrument, seed) if plan.has_judge]
    except ConfigError:  # it will be said where it stands in the way
        return None
    concluded = [study.concluded(one.id) if one else frozenset[str]() for one in others]
    trainings = sum(one is None for one in others)
    answers: dict[str, int] = {}
    most = 0
    for plan in plans:
        persons = [ask for one in person_plans(plan) or () for ask in fixed_asks(one)]
        mine = _left(study, base, [*_of_base(plan), *persons])
        usual = _usual(plan)
        theirs = [
            0 if plan.axis.id in done else _left(study, other, [*usual, *persons])
            for other, done in zip(others, concluded, strict=True)
        ]
        answers[plan.axis.id] = mine + sum(theirs)
        most += mine + sum(theirs)
        if plan.style != "exact":
            most += len(others) * max(0, sum(plan.sizes) - len(usual))
        if plan.style == "event":  # a control may stand in the base's place
            most += max(0, len(others) - 1) * plan.base_answers
    if not (trainings or any(answers.values())):
        return None
    seconds = _seconds(answers, read_pace(study.path, base.id))
    return Expected(trainings, sum(answers.values()), most, seconds)


def _of_base(plan: AxisPlan) -> list[Ask]:
    return plan.pairs() if plan.style == "paired" else fixed_asks(plan)


def _usual(plan: AxisPlan) -> list[Ask]:
    """A target's asks, as many as it mostly takes."""
    if plan.style == "exact":
        return plan.exact()
    found: list[Ask] = []
    for number in range(len(plan.sizes)):
        if len(found) >= plan.usual_answers:
            break
        found += plan.round(number)
    return found


def _left(study: Study, spec: TargetSpec | None, asks: Sequence[Ask]) -> int:
    """How many of these a target is yet to answer."""
    done = 0 if spec is None else study.answered(spec.id, (ask.id for ask in asks))
    return len(asks) - done


def _seconds(answers: dict[str, int], pace: dict[str, AxisPace]) -> float | None:
    """Each axis at its own pace; one that was not measured at that of all others together."""
    asked = sum(one.answers for one in pace.values())
    if asked < _FEW:
        return None
    mean = sum(one.seconds for one in pace.values()) / asked
    return sum(
        left * (pace[key].seconds / pace[key].answers if key in pace else mean)
        for key, left in answers.items()
    )
