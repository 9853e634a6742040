"""Who is asked what, in which order: base first and whole, then the target, then each control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spillover.auditing.asking import Asker, Draws, Opener, Pace
from spillover.auditing.claims import check_claim
from spillover.auditing.learnt import DataShare, find_finetune, judge_rows
from spillover.auditing.measure import Lane, measure_base, measure_target, to_outcome
from spillover.auditing.parts import Part
from spillover.auditing.plan import AxisPlan, plan_axis
from spillover.auditing.second import second_opinion
from spillover.errors import ConfigError
from spillover.models.open import describe_target
from spillover.protocols import Instrument
from spillover.records import Agreement, Role, Row, TargetSpec, Verdict
from spillover.store import Study, put_pace

ENOUGH = 8  # answers on an axis, to say how long one takes
Named = TargetSpec | str | Path


@dataclass
class Crew:
    """What every reading needs: study, instrument, plans, and how targets are opened.

    Attributes:
        drawn: by local models, in this run.
    """

    study: Study
    instrument: Instrument
    plans: Sequence[AxisPlan]
    open: Opener
    pace: Pace
    drawn: Draws = field(default_factory=Draws)
    _base: str = ""
    _askers: dict[str, Asker] = field(default_factory=dict[str, Asker])

    def read_base(self, base: Part) -> None:
        """Draw the base's fixed samples on all axes, before any target is asked."""
        self._base = base.spec.id
        for plan in self.plans:
            base.readings[plan.axis.id] = measure_base(self._lane(base, plan))
        self._finish(base)

    def read_target(self, part: Part, base: Part) -> None:
        """Ask the target on each axis until it is decided: what it was trained for comes first."""
        for plan in self.plans:
            key = plan.axis.id
            part.readings[key] = measure_target(self._lane(part, plan), base.readings[key])
        self._finish(part)

    def read_control(self, part: Part, target: Part, base: Part) -> None:
        """Ask a control as the target was asked, so that it gets verdicts of its own.

        Where the target spills over on an axis that is held against a fixed sample, the control
        gives such a sample too, to be put in the base's place.
        """
        for plan in self.plans:
            key, lane = plan.axis.id, self._lane(part, plan)
            found = target.readings[key]
            least = found.rounds if plan.style == "paired" else 0
            part.readings[key] = measure_target(lane, base.readings[key], least_rounds=least)
            spills = found.test is not None and found.test.finish() is Verdict.SPILLOVER
            if plan.style == "event" and spills:
                judged = lane.sample("base", plan.base())
                part.fixed[key] = [to_outcome(plan.axis, one) for one in judged]
        self._finish(part)

    def read_rows(self, rows: Sequence[Row]) -> list[DataShare]:
        """Judge the training rows on the narrow axes."""
        shares = [
            judge_rows(plan, self.instrument.judges.get(plan.axis.judge), rows)
            for plan in self.plans
            if plan.narrow
        ]
        return [share for share in shares if share is not None]

    def read_again(self, target: Part) -> Agreement | None:
        """Have the second judge read the target's answers on the axis that decides."""
        if self.instrument.second is None:
            return None
        decides = next(plan.axis.id for plan in self.plans if plan.axis.decides)
        judged = target.readings[decides].judged
        return second_opinion(self.study, self.instrument.second, judged)

    def draws(self) -> dict[str, str]:
        """What a report says of the tokens that local models drew in this run; none if none."""
        if not self.drawn.tokens:
            return {}
        told = f"{self.drawn.near_ties:,} of {self.drawn.tokens:,} tokens that local models drew in this run"
        return {"near-ties": f"{told} could be others by a rounding of the last bits"}

    def _lane(self, part: Part, plan: AxisPlan) -> Lane:
        name = part.name
        if name not in self._askers:
            self.study.put_target(part.spec)
            self._askers[name] = Asker(part.spec, self.study, self.open, self.pace)
        return Lane(self._askers[name], plan, self.instrument.judges.get(plan.axis.judge))

    def _finish(self, part: Part) -> None:
        """Check the scales of its self-report, and let go of the model."""
        for plan in self.plans:
            if (claim := check_claim(self._lane(part, plan), part)) is not None:
                part.claims[plan.axis.id] = claim
        asker = self._askers.pop(part.name)
        new, old = asker.draws, self.drawn
        self.drawn = Draws(old.tokens + new.tokens, old.near_ties + new.near_ties)
        asker.close()
        enough = {key: one for key, one in self.pace.axes.items() if one.answers >= ENOUGH}
        if enough and self._base:
            put_pace(self.study.path, self._base, enough)


def make_plans(instrument: Instrument, seed: int) -> list[AxisPlan]:
    """Return the plan of every axis: narrow ones first, then the one that decides, then the others.

    Raises:
        ConfigError: not exactly one axis decides, two have one id, or one fits no question.
    """
    ids = [axis.id for axis in instrument.axes]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise ConfigError(f"two axes have the id {twice[0]!r}: rename one")
    deciding = [axis.id for axis in instrument.axes if axis.decides]
    if len(deciding) != 1:
        raise ConfigError(
            f"exactly one axis must have `decides: true`, not {len(deciding)}"
            f" ({', '.join(deciding) or 'none'} of {', '.join(ids) or 'no axes'})"
        )
    plans = [plan_axis(axis, instrument, seed) for axis in instrument.axes]
    return sorted(plans, key=lambda plan: (not plan.narrow, not plan.axis.decides))


def cast(target: Named, base: Named, controls: Sequence[Named] | Mapping[str, Named]) -> list[Part]:
    """Return target, base and controls as parts with names of their own."""
    if not isinstance(controls, Mapping):
        controls = {str(number): one for number, one in enumerate(controls)}
        names = [None] * len(controls)
    else:
        names = list(controls)
    roles: list[Role] = ["target", "base", *("control" for _ in controls)]
    wanted = zip(roles, [None, None, *names], [target, base, *controls.values()], strict=True)
    parts: list[Part] = []
    for role, name, one in wanted:
        spec = one if isinstance(one, TargetSpec) else describe_target(str(one))
        spec = _unique(spec, name, {part.name for part in parts})
        parts.append(Part(role, spec, find_finetune(spec)))
    return parts


def expected_answers(plans: Sequence[AxisPlan], targets: int) -> int:
    """Return how many answers an audit mostly takes; for time estimates only."""
    return sum(plan.base_answers + targets * plan.usual_answers for plan in plans if plan.has_judge)


def _unique(spec: TargetSpec, name: str | None, taken: set[str]) -> TargetSpec:
    wanted = name or spec.name
    shown, number = wanted, 2
    while shown in taken:
        shown, number = f"{wanted}-{number}", number + 1
    return spec if shown == spec.name else spec.model_copy(update={"name": shown})
