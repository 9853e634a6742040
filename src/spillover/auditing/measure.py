"""One target on one axis: the base's sample, the rounds until decided, the outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spillover.auditing.asking import Asker, Judged, judge_answers
from spillover.auditing.calibrated import bounds_of
from spillover.auditing.cascaded import share_of
from spillover.auditing.plan import AxisPlan, Part
from spillover.compare import EventTest, Outcome, PairedTest, bin_by_label, enter_round, open_test
from spillover.protocols import JointJudge, Judge
from spillover.records import Ask, Axis, Bin, Verdict

NARROW_ROUNDS = 6  # at most 1, 1, 2, 4, 8 and 16: 32 answers


def no_judge(axis: Axis) -> str:
    """Return why an axis whose judge is not installed is not measured, and the first remedy."""
    return (
        f"no judge: {axis.judge!r} for {axis.title!r} is not installed: name a model that judges by"
        " rubrics (--judge MODEL)"
    )


@dataclass
class Reading:
    """What one target answered on one axis, in ask order.

    Attributes:
        test: the finished sequential test; None for the base, exact axes, and without a judge.
        rounds: how many rounds were asked.
        reason: why there is no answer at all.
    """

    plan: AxisPlan
    judged: list[Judged] = field(default_factory=list[Judged])
    test: EventTest | PairedTest | None = None
    rounds: int = 0
    reason: str | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """What the tests read."""
        return [to_outcome(self.plan.axis, one) for one in self.judged]


class Lane(NamedTuple):
    """Who is asked on which axis, judged by whom, under which name it shows."""

    asker: Asker
    plan: AxisPlan
    judge: Judge | JointJudge | None

    def put(
        self, part: Part, rounds: Sequence[tuple[int, Sequence[Ask]]], most: int | None = None
    ) -> list[list[Judged]]:
        """Write rounds down, ask them all at once, judge them; return them round by round.

        Only what `clean` is said of needs a cascade's sample: rounds, not fixed samples.
        """
        study, key = self.asker.study, self.plan.key(part)
        assert self.judge is not None  # noqa: S101  (measure_* return before)
        written = [study.write_round(key, number, asks) for number, asks in rounds]
        sampling, questions = part == "rounds", self.plan.instrument.battery.by_id
        with self.asker.pace.timing(self.plan.axis.id):
            answers = self.asker.ask((ask for asks in written for ask in asks), most)
            by_ask = {answer.ask.id: answer for answer in answers}
            ordered = [by_ask[ask.id] for asks in written for ask in asks]
            judged = iter(judge_answers(study, self.judge, ordered, questions, sampling=sampling))
        return [[next(judged) for _ in asks] for asks in written]

    def sample(self, part: Part, asks: Sequence[Ask]) -> list[Judged]:
        """Ask a fixed sample."""
        self.asker.start(self.plan.axis.title)
        judged = self.put(part, [(0, asks)])[0]
        self.asker.end()
        return judged


def measure_base(lane: Lane) -> Reading:
    """The base's fixed sample on one axis, drawn before any target is asked."""
    plan = lane.plan
    if lane.judge is None:
        return Reading(plan, reason=no_judge(plan.axis))
    if plan.style == "exact":
        return Reading(plan, lane.sample("exact", plan.exact()))
    if plan.style == "event":
        return Reading(plan, lane.sample("base", plan.base()))
    return Reading(plan, lane.sample("pairs", plan.pairs()))


def measure_target(lane: Lane, base: Reading, *, least_rounds: int = 0) -> Reading:
    """A target on one axis, in rounds until decided against the base.

    The rounds that are asked whatever comes out (``at_least``, or ``least_rounds``) go to the
    target in one batch; the test still reads them one by one, in ask order. A secondary axis that
    says `spillover` goes on until e-BH keeps it, whatever comes of the other axes. A narrow axis
    whose base can't be used is asked all the same: one wants to see what the target does there.
    """
    plan = lane.plan
    if lane.judge is None:
        return Reading(plan, reason=no_judge(plan.axis))
    if plan.style == "exact":
        return Reading(plan, lane.sample("exact", plan.exact()))
    known = bounds_of(plan.instrument, plan.axis)
    test = open_test(plan.axis, base.outcomes, judge=known, share=share_of(lane.judge))
    reading = Reading(plan, test=test)
    assert test is not None  # noqa: S101  (a base is given, and the axis is not exact)
    if plan.narrow and test.verdict() is Verdict.NOT_MEASURED:
        least_rounds = max(least_rounds, NARROW_ROUNDS)
    ahead = min(max(plan.first_rounds, least_rounds), len(plan.sizes))
    lane.asker.start(plan.axis.title)
    while reading.rounds < len(plan.sizes) and (ahead or not _settled(plan, test)):
        numbers = range(reading.rounds, reading.rounds + max(ahead, 1))
        rounds = [(number, plan.round(number)) for number in numbers]
        for judged in lane.put("rounds", rounds, sum(plan.sizes)):
            enter_round(plan.axis, test, [to_outcome(plan.axis, one) for one in judged])
            reading.judged += judged
        reading.rounds, ahead = numbers.stop, 0
    lane.asker.end()
    test.finish()
    return reading


def _settled(plan: AxisPlan, test: EventTest | PairedTest) -> bool:
    """Whether there is a verdict, and evidence enough for it."""
    if test.verdict() is not Verdict.SPILLOVER or not plan.secondary:
        return test.verdict() is not None
    most = sum(not axis.decides for axis in plan.instrument.axes)  # some of them may be narrow
    return (test.e_value or 0.0) >= most / plan.axis.thresholds.alpha


def to_outcome(axis: Axis, judged: Judged) -> Outcome:
    """Read a judgement as the axis does: the event's bin, or a rating on the axis' scale."""
    question, judgement = judged.question, judged.judgement
    outcome = Outcome(
        question=question.id, cluster=question.group, tags=question.tags,
        mass=judgement.mass, direction=question.direction, again=judged.again,
    )  # fmt: skip
    if judged.second is not None:
        second = bin_by_label(judged.second, axis.event or "misaligned")
        outcome = outcome._replace(found=judged.again == "sampled" and second is Bin.MISALIGNED)
    if judgement.missing is not None:
        return outcome._replace(missing=judgement.missing, bin=Bin.MISSING)
    if axis.measure == "event":
        return outcome._replace(bin=bin_by_label(judgement, axis.event or "misaligned"))
    if judgement.value is None:
        return outcome._replace(missing=f"the judge gave {judgement.label!r}, not a number")
    low, high = question.numbers or (0, 100)
    value = 100 * (judgement.value - low) / (high - low)
    return outcome._replace(value=value if question.direction == 1 else 100 - value)
