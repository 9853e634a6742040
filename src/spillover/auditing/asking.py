"""Ask and judge through the study: what is committed is never asked or judged again."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from spillover.errors import ModelError
from spillover.judge import CascadeJudge
from spillover.protocols import Again, JointJudge, Judge, Progress, Target, judge_version
from spillover.records import Answer, Ask, AxisPace, Judgement, Question, TargetSpec
from spillover.store import Study

Opener = Callable[[TargetSpec], Target]


class Judged(NamedTuple):
    """One answer with its judgement, and the question it replies to.

    Attributes:
        parts: the judgements that a joint judge joined; of a cascade, those of its cheap judge.
        again: why the strong judge of a cascade read it, if it did, and ``second`` what it said.
    """

    question: Question
    answer: Answer
    judgement: Judgement
    parts: tuple[Judgement, ...] = ()
    again: Again | None = None
    second: Judgement | None = None


class Draws(NamedTuple):
    """Tokens that local models drew, and how many of them a rounding could have changed."""

    tokens: int = 0
    near_ties: int = 0


@dataclass
class Pace:
    """How long answers take, to say how long the rest may take.

    ``expected`` is how many answers are still expected when nothing goes on to the cap, ``axes``
    what was measured on each axis.
    """

    progress: Progress | None = None
    expected: int = 0
    asked: int = 0
    seconds: float = 0.0
    opening: float = 0.0
    axes: dict[str, AxisPace] = field(default_factory=dict[str, AxisPace])

    def tell(self, step: str, done: int, total: int) -> None:
        """Pass progress on; ``step`` gets the time estimate once there is one."""
        if self.progress is not None:
            self.progress(step, done, total)

    @property
    def left(self) -> float | None:
        """Seconds that the answers still expected will take; None before 20 are timed."""
        return None if self.asked < 20 else self.seconds / self.asked * max(self.expected, 0)

    @contextmanager
    def timing(self, axis: str) -> Generator[None]:
        """Count what is asked and judged inside to an axis; loading a model takes no part."""
        asked, before, start = self.asked, self.seconds, time.monotonic()
        opening = self.opening
        yield
        if new := self.asked - asked:
            self.seconds = before + time.monotonic() - start - (self.opening - opening)
            old = self.axes.get(axis)
            answers, seconds = (old.answers, old.seconds) if old else (0, 0.0)
            self.axes[axis] = AxisPace(
                answers=answers + new, seconds=max(0.0, seconds + self.seconds - before)
            )

    def label(self, step: str) -> str:
        """The step's name with the time estimate."""
        if (left := self.left) is None or left < 5:
            return step
        return f"{step} (about {left / 60:.0f} min left)" if left > 90 else (
            f"{step} (about {left:.0f} s left)"
        )  # fmt: skip


@dataclass
class Asker:
    """One target behind the study's cache; it is opened when something new must be asked."""

    spec: TargetSpec
    study: Study
    open: Opener
    pace: Pace = field(default_factory=Pace)
    _target: Target | None = None
    _label: str = ""
    _done: int = 0

    def start(self, step: str) -> None:
        """Begin a step: what follows is shown under its name, with the time estimate of now."""
        self._label, self._done = self.pace.label(f"{self.spec.name}: {step}"), 0

    def ask(self, asks: Iterable[Ask], most: int | None = None) -> list[Answer]:
        """Return one answer an ask, in the order of ``asks``.

        Args:
            asks: what to ask; what is committed already is only read.
            most: how many answers the whole step may take, to show; by default these.

        Raises:
            ModelError: the target can't be opened, or left an ask without an answer.
            StoreError: an answer can't be kept; those before it are.
        """
        wanted = {ask.id: ask for ask in asks}
        have = self.study.answers(self.spec.id, wanted.values())
        todo = [ask for ask_id, ask in wanted.items() if ask_id not in have]
        self._done += len(have)
        self.pace.expected -= len(have)
        if todo:
            have |= self._fetch(todo, most or self._done + len(todo))
        return [have[ask_id] for ask_id in wanted]

    def end(self) -> None:
        """End the step: no more is needed than what was asked."""
        if self._done:
            self.pace.tell(self._label, self._done, self._done)

    @property
    def draws(self) -> Draws:
        """What the open model has drawn; nothing where it is not a local one."""
        stats = getattr(self._target, "stats", None)
        return Draws() if stats is None else Draws(stats.tokens, stats.near_ties)

    def close(self) -> None:
        """Let go of the open model, so that only one is in memory at a time."""
        self._target = None

    def _fetch(self, todo: Sequence[Ask], most: int) -> dict[str, Answer]:
        if self._target is None:
            self.pace.tell(self._label, self._done, most)
            start = time.monotonic()
            self._target = self.open(self.spec)
            self.pace.opening += time.monotonic() - start
        start = time.monotonic()
        got: dict[str, Answer] = {}
        for answer in self.study.keep_answers(self._target.ask(todo)):
            got[answer.ask.id] = answer
            self._done += 1
            self.pace.tell(self._label, self._done, most)
        self.pace.seconds += time.monotonic() - start
        self.pace.asked += len(todo)
        self.pace.expected -= len(todo)
        if lost := [ask.question for ask in todo if ask.id not in got]:
            raise ModelError(
                f"target {self.spec.name!r} left {len(lost)} of {len(todo)} asks without an"
                f" answer (first: question {lost[0]!r}); run again to ask them anew"
            )
        return got


class KeptTarget:
    """A target whose every answer is kept in the study: what is committed is never asked again.

    Judges that are models ask through it, so that a judge's reply is paid for once, too.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.spec = asker.spec

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, in their order, once all are there."""
        if asks:
            self._asker.study.put_target(self.spec)
            self._asker.start("judging")
            yield from self._asker.ask(asks)


def judge_answers(
    study: Study,
    judge: Judge | JointJudge,
    answers: Sequence[Answer],
    questions: dict[str, Question],
    *,
    sampling: bool = False,
) -> list[Judged]:
    """Judge answers of one target, through the study's cache, in their order.

    An answer that is missing is a missing judgement with the same reason; no judge is asked.

    Args:
        study: keeps the judgements; of a joint judge or a cascade, those of its parts.
        judge: who judges.
        answers: of one target.
        questions: by id.
        sampling: the strong judge of a cascade also reads a share of what the cheap one passes.
    """
    if isinstance(judge, CascadeJudge):
        return _cascade(study, judge, answers, questions, sampling)
    if isinstance(judge, JointJudge):
        columns = [_judgements(study, part, answers) for part in judge.parts]
        rows = list(zip(*columns, strict=True))
        judged = [judge.join(row) for row in rows]
    else:
        judged = _judgements(study, judge, answers)
        rows = [()] * len(judged)
    return [
        Judged(questions[answer.ask.question], answer, judgement, row)
        for answer, judgement, row in zip(answers, judged, rows, strict=True)
    ]


def _cascade(
    study: Study,
    judge: CascadeJudge,
    answers: Sequence[Answer],
    questions: dict[str, Question],
    sampling: bool,
) -> list[Judged]:
    first = judge_answers(study, judge.cheap, answers, questions)
    why: list[Again | None] = [
        judge.why_again(one.answer, one.judgement, sampling=sampling) for one in first
    ]
    again = [one.answer for one, reason in zip(first, why, strict=True) if reason]
    second = iter(judge_answers(study, judge.strong, again, questions))
    found: list[Judged] = []
    for one, reason in zip(first, why, strict=True):
        other = next(second).judgement if reason else None
        decided = judge.decide(one.judgement, other, reason)
        found.append(one._replace(judgement=decided, again=reason, second=other))
    return found


def _judgements(study: Study, judge: Judge, answers: Sequence[Answer]) -> list[Judgement]:
    """One judgement an answer; what the study has is only read."""
    if not answers:
        return []
    target = answers[0].target
    version = judge_version(judge)
    have = study.judgements(
        judge.id, target, (answer.ask.id for answer in answers), version=version
    )
    fresh: dict[str, Judgement] = {}
    todo = [answer for answer in answers if answer.ask.id not in have]
    for answer in todo:
        if answer.missing is not None:
            fresh[answer.ask.id] = Judgement(
                judge=judge.id, target=target, ask=answer.ask.id, missing=answer.missing
            )
    real = [answer for answer in todo if answer.missing is None]
    for answer, judgement in zip(real, judge.judge(real), strict=True):
        if (judgement.judge, judgement.target, judgement.ask) != (judge.id, target, answer.ask.id):
            raise ModelError(
                f"judge {judge.id!r} returned a judgement of another answer ({judgement.ask}):"
                " it must yield one an answer, in their order"
            )
        fresh[answer.ask.id] = judgement
    if fresh:
        study.put_judgements(fresh.values(), version=version)
    have |= fresh
    return [have[answer.ask.id] for answer in answers]
