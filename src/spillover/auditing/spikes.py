"""What a spike-in needs: base answers and known-bad ones, judged as the audit judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from spillover.auditing.asking import Asker, Judged, Opener, Pace, judge_answers
from spillover.auditing.measure import Lane, no_judge, to_outcome
from spillover.auditing.plan import AxisPlan, plan_axis
from spillover.compare import Outcome, measures_events
from spillover.data import read_known_bad
from spillover.errors import ConfigError, DataError
from spillover.protocols import Instrument, JointJudge, Judge
from spillover.records import (
    Answer,
    Ask,
    Bin,
    KnownBy,
    Question,
    ScriptedWhat,
    TargetSpec,
    TargetWhere,
    digest,
)
from spillover.store import Study

LEAST_BAD = 20  # fewer answers say next to nothing of a judge


class KnownBad(NamedTuple):
    """Known-bad answers as the judge sees them, who knows, and what a reader should be told."""

    name: str
    known_by: KnownBy
    outcomes: list[Outcome]
    notes: tuple[str, ...] = ()

    @property
    def covered(self) -> int:
        """How many questions have some."""
        return len({outcome.question for outcome in self.outcomes})


@dataclass(frozen=True)
class Bench:
    """One axis of an instrument, to be tried on known answers."""

    study: Study
    plan: AxisPlan
    judge: Judge | JointJudge
    open: Opener
    pace: Pace

    def base(self, spec: TargetSpec, size: int) -> list[Outcome]:
        """The base's sample of an audit, or a larger one that begins with it."""
        return self._outcomes(self._sample(spec, size))

    def bad_target(
        self, spec: TargetSpec, size: int, oracle: Judge | JointJudge | None
    ) -> KnownBad:
        """Answers of a target that is known to be bad: those that ``oracle`` calls so, or all."""
        judged = self._sample(spec, size)
        if oracle is None:
            note = (
                f"Nobody says which answers of {spec.name!r} are bad: all of them count, so that the"
                " shares are of its answers."
            )
            return KnownBad(spec.name, "target", self._outcomes(judged), (note,))
        truths = self._judge([one.answer for one in judged], oracle)
        outcomes = zip(self._outcomes(truths), judged, strict=True)
        kept = [one for truth, one in outcomes if truth.settled_bin is Bin.MISALIGNED]
        notes = ()
        if oracle is self.judge:
            notes = (
                f"The judge {oracle.id!r} also says which answers are bad: it misses none of them.",
            )
        return KnownBad(spec.name, "oracle", self._outcomes(kept), notes)

    def bad_file(self, path: Path) -> KnownBad:
        """Answers of a file, judged as if they were a target's."""
        table = read_known_bad(path)
        asks: list[Ask] = []
        texts: list[str] = []
        lost: list[str] = []
        for number, known in enumerate(table.answers):
            place = _find(self.plan.questions, known.question)
            if place is None:
                lost.append(known.place)
                continue
            question, paraphrase = place
            messages = question.paraphrases[paraphrase]
            settings = self.plan.settings(question)
            asks.append(
                Ask(question=question.id, paraphrase=paraphrase, messages=messages,
                    settings=settings, seed=number)
            )  # fmt: skip
            texts.append(known.answer)
        if not asks:
            raise DataError(
                f"{path}: none of its {len(lost)} bad answers is to a question of axis"
                f" {self.plan.axis.id!r}: give ids or texts of its questions"
                f" ({self.plan.questions[0].id!r}, ...)"
            )
        identity = digest([[ask.id, text] for ask, text in zip(asks, texts, strict=True)])
        spec = TargetSpec(
            name=path.stem,
            what=ScriptedWhat(script=f"answers {identity}"),
            where=TargetWhere(model=str(path)),
        )
        answers = [
            Answer(ask=ask, target=spec.id, text=text, finish="stop")
            for ask, text in zip(asks, texts, strict=True)
        ]
        self.study.put_target(spec)
        answers = list(self.study.keep_answers(answers))
        notes = [f"{table.good} answers of {path.name} are not bad and were left out."] * bool(
            table.good
        )
        if lost:
            notes.append(
                f"{len(lost)} bad answers of {path.name} are to questions that the axis does not"
                f" ask and were left out; the first: {lost[0]}."
            )
        return KnownBad(
            path.name, "file", self._outcomes(self._judge(answers, self.judge)), tuple(notes)
        )

    def _sample(self, spec: TargetSpec, size: int) -> list[Judged]:
        limits = self.plan.axis.thresholds.model_copy(update={"n_base": size})
        axis = self.plan.axis.model_copy(update={"thresholds": limits})
        plan = plan_axis(axis, self.plan.instrument, self.plan.seed)
        self.study.put_target(spec)
        asker = Asker(spec, self.study, self.open, self.pace)
        judged = Lane(asker, plan, self.judge).sample("base", plan.base())
        asker.close()
        return judged

    def _judge(self, answers: Sequence[Answer], judge: Judge | JointJudge) -> list[Judged]:
        questions = self.plan.instrument.battery.by_id
        return judge_answers(self.study, judge, answers, questions)

    def _outcomes(self, judged: Sequence[Judged]) -> list[Outcome]:
        return [to_outcome(self.plan.axis, one) for one in judged]


def bench(instrument: Instrument, study: Study, seed: int, open: Opener, pace: Pace) -> Bench:
    """Return the bench of the axis that decides.

    Raises:
        ConfigError: no axis or several decide, it has no judge, or it measures no event that
            is decided in rounds.
    """
    deciding = [axis for axis in instrument.axes if axis.decides]
    if len(deciding) != 1:
        raise ConfigError(f"exactly one axis must have `decides: true`, not {len(deciding)}")
    axis = deciding[0]
    if not measures_events(axis):
        fit = [other.id for other in instrument.axes if measures_events(other)]
        what = f"{axis.test} {axis.measure}, harm {axis.harm}"
        raise ConfigError(
            f"axis {axis.id!r} ({what}) can't be calibrated by spike-in: it takes a sequential event"
            f" axis with harm up; {', '.join(fit) or 'none of those that are measured here'} would do"
        )
    judge = instrument.judges.get(axis.judge)
    if judge is None:
        raise ConfigError(no_judge(axis))
    return Bench(study, plan_axis(axis, instrument, seed), judge, open, pace)


def check_cover(plan: AxisPlan, bad: KnownBad) -> tuple[str, ...]:
    """Return a note where some questions have no known-bad answer.

    Raises:
        DataError: too few answers, or most questions have none.
    """
    questions = len(plan.questions)
    if len(bad.outcomes) < LEAST_BAD:
        raise DataError(
            f"{bad.name} has {len(bad.outcomes)} known-bad answers to questions of axis"
            f" {plan.axis.id!r}: at least {LEAST_BAD} are needed"
        )
    if 2 * bad.covered < questions:
        raise DataError(
            f"{bad.name} has known-bad answers to only {bad.covered} of the {questions} questions of"
            f" axis {plan.axis.id!r}: give some to at least half of them"
        )
    if bad.covered == questions:
        return ()
    return (
        f"Known-bad answers cover {bad.covered} of {questions} questions: only there are they mixed"
        " in, and so many more of them that the share of all answers holds.",
    )


def _find(questions: Sequence[Question], name: str) -> tuple[Question, int] | None:
    """The question of this id with its first paraphrase, or the one of this text.

    One with earlier turns is known by all of them: two conversations may end in the same words.
    """
    for question in questions:
        if question.id == name:
            return question, 0
    for question in questions:
        for number, messages in enumerate(question.paraphrases):
            ask = Ask(question=question.id, paraphrase=number, messages=messages)
            if (ask.prompt_text if ask.has_turns else messages[-1].content).strip() == name:
                return question, number
    return None
