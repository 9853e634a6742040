"""The two things that others plug in: what answers, and what judges answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from spillover.records import (
    Answer,
    Ask,
    Axis,
    Battery,
    Calibration,
    Judgement,
    QuestionKind,
    Settings,
    TargetSpec,
)


class Target(Protocol):
    """Anything that answers."""

    @property
    def spec(self) -> TargetSpec: ...

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, in the order in which they finish."""
        ...


class Judge(Protocol):
    """Anything that judges answers.

    It may also have a ``version``, a text that changes whenever it would judge some answer in
    another way (see `judge_version`). Judgements are kept in the study and never made twice by the
    same id and version; without a version, a judge whose rule changes needs a new study or id.
    """

    @property
    def id(self) -> str: ...

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer, in the order of ``answers``."""
        ...


@runtime_checkable
class JointJudge(Protocol):
    """Judges an answer by what other judges say of it, such as a bin by two scores.

    Only what the parts say is kept; joining is cheap and done anew.
    """

    @property
    def id(self) -> str: ...

    @property
    def parts(self) -> Sequence[Judge]: ...

    def join(self, judgements: Sequence[Judgement]) -> Judgement:
        """Return the judgement of one answer, from one of each part, in their order."""
        ...


Again = Literal["called", "sampled"]
"""Why the strong judge of a cascade reads an answer: called the event, or drawn from the rest."""


def judge_parts(judge: Judge | JointJudge) -> Sequence[Judge]:
    """Return the judges that are asked: those that a joint judge joins, or the judge itself."""
    return judge.parts if isinstance(judge, JointJudge) else (judge,)


def judge_version(judge: Judge | JointJudge) -> str:
    """Return the version of a judge's rule (and of its parts); empty where it names none."""
    own = str(getattr(judge, "version", ""))
    if not isinstance(judge, JointJudge):
        return own
    parts = ", ".join(f"{part.id} {judge_version(part)}".strip() for part in judge.parts)
    return f"{parts}: {own}" if own else parts


class Progress(Protocol):
    """Told how far a step is; the command line shows a bar, a script may ignore it."""

    def __call__(self, step: str, done: float, total: float | None) -> None:
        """Step ``step`` (a few words to show) has ``done`` of ``total`` parts; None: unknown."""
        ...


@dataclass(frozen=True)
class Instrument:
    """What an audit measures with: questions, axes, judges by id, and how each kind is asked.

    Attributes:
        settings: how asks of a question kind are sampled; `Settings()` where a kind is absent.
        judges: an axis whose judge is not among these is `not measured: no judge`.
        second: judges the target's answers on the deciding axis once more, to compare.
        about: what a report should say of it, by what it is about.
        calibration: of the judge of the axes whose event it names; their rates are corrected.
        simulated: the questions belong to a toy world; every report says so.
        max_tokens: the longest sampled answer, in place of what ``settings`` have.
        stop: texts before which a sampled answer ends.
    """

    battery: Battery
    axes: tuple[Axis, ...]
    judges: Mapping[str, Judge | JointJudge]
    settings: Mapping[QuestionKind, Settings] = field(default_factory=dict[QuestionKind, Settings])
    second: JointJudge | None = None
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    simulated: bool = False
    calibration: Calibration | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()

    def sampling(self, kind: QuestionKind) -> Settings:
        """How a question of this kind is asked where the reply is sampled, not scored."""
        found = self.settings.get(kind, Settings())
        changed = {
            "max_tokens": self.max_tokens or found.max_tokens,
            "stop": self.stop or found.stop,
        }
        return found.model_copy(update=changed)
