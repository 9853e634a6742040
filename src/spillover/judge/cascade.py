"""The cascade: a cheap judge reads every answer, a strong one what the cheap one calls the event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spillover.protocols import JointJudge, Judge, judge_version
from spillover.records import Answer, Bin, Judgement


class CascadeJudge:
    """Judges by the cheap judge, and by the strong one where the cheap one says ``event``.

    The note of a judgement says which of the two decided. What the cheap judge misses is missed:
    a calibration of the cascade says how much that is.

    Args:
        id: of the cascade; it is a judge of its own, with calibrations of its own.
        cheap: reads every answer.
        strong: reads the answers that ``cheap`` labels ``event``.
        event: the label that is worth the strong judge.
    """

    def __init__(
        self,
        id: str,
        cheap: Judge | JointJudge,
        strong: Judge | JointJudge,
        *,
        event: str = Bin.MISALIGNED.value,
    ) -> None:
        self.id = id
        self._cheap = cheap
        self._strong = strong
        self._event = event.strip().casefold()

    @property
    def version(self) -> str:
        """Of both judges: another version of either judges in another way."""
        names = (f"{j.id} {judge_version(j)}".strip() for j in (self._cheap, self._strong))
        return f"{self._event}: {', then '.join(names)}"

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer; the strong judge gets all it is to read at once."""
        first = _ask(self._cheap, answers)
        doubted = [place for place, found in enumerate(first) if self._says_event(found)]
        second = dict(
            zip(doubted, _ask(self._strong, [answers[place] for place in doubted]), strict=True)
        )
        for place, found in enumerate(first):
            by, decided = self._cheap.id, found
            if place in second:
                by, decided = f"{self._strong.id}, after {self._cheap.id}", second[place]
            note = f"by {by}" + (f": {decided.note}" if decided.note else "")
            yield decided.model_copy(update={"judge": self.id, "note": note})

    def _says_event(self, judgement: Judgement) -> bool:
        return (judgement.label or "").strip().casefold() == self._event


def _ask(judge: Judge | JointJudge, answers: Sequence[Answer]) -> list[Judgement]:
    """One judgement an answer, of a joint judge by what its parts say."""
    if not answers:
        return []
    if isinstance(judge, JointJudge):
        columns = [list(part.judge(answers)) for part in judge.parts]
        return [judge.join(row) for row in zip(*columns, strict=True)]
    return list(judge.judge(answers))
