"""The cascade: a cheap judge reads every answer, a strong one what the cheap one calls the event."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from spillover.protocols import Again, JointJudge, Judge, judge_version
from spillover.records import Answer, Bin, Judgement


class CascadeJudge:
    """Judges by the cheap judge, and by the strong one where the cheap one says ``event``.

    The note of a judgement says which of the two decided. What the cheap judge misses is missed:
    a calibration of the cascade says how much that is, or a random ``share`` of what the cheap
    judge passes, which an audit has the strong one read as well. Neither changes a label, so that
    the share is no part of the version.

    Args:
        id: of the cascade; it is a judge of its own, with calibrations of its own.
        cheap: reads every answer.
        strong: reads the answers that ``cheap`` labels ``event``.
        event: the label that is worth the strong judge.
        share: of the answers that ``cheap`` labels otherwise; 0: none is read again.
        seed: of the draw of that share.
    """

    def __init__(
        self,
        id: str,
        cheap: Judge | JointJudge,
        strong: Judge | JointJudge,
        *,
        event: str = Bin.MISALIGNED.value,
        share: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.id = id
        self.cheap = cheap
        self.strong = strong
        self.share = share
        self._event = event.strip().casefold()
        self._seed = seed

    @property
    def version(self) -> str:
        """Of both judges: another version of either judges in another way."""
        names = (f"{j.id} {judge_version(j)}".strip() for j in (self.cheap, self.strong))
        return f"{self._event}: {', then '.join(names)}"

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer; the strong judge gets all it is to read at once."""
        first = _ask(self.cheap, answers)
        doubted = [place for place, found in enumerate(first) if self.says_event(found)]
        second = dict(
            zip(doubted, _ask(self.strong, [answers[place] for place in doubted]), strict=True)
        )
        for place, found in enumerate(first):
            other = second.get(place)
            yield self.decide(found, other, None if other is None else "called")

    def why_again(self, answer: Answer, first: Judgement, *, sampling: bool) -> Again | None:
        """Return why the strong judge is to read an answer too; None if it is not.

        Args:
            answer: to one ask of one target.
            first: what the cheap judge said of it.
            sampling: whether a share of what the cheap judge passes is drawn.
        """
        if first.missing is not None:
            return None
        if self.says_event(first):
            return "called"
        return "sampled" if sampling and self._draws(answer) else None

    def decide(
        self, first: Judgement, second: Judgement | None = None, why: Again | None = None
    ) -> Judgement:
        """Return the cascade's judgement of one answer.

        What the strong judge finds in its sample stays labelled as the cheap one has it: the
        label is that of the cascade, whose misses the sample is to count. An answer that the
        strong judge can't tell is missing, whatever it was read for.
        """
        by, decided = self.cheap.id, first
        if second is not None and (why == "called" or second.missing is not None):
            by, decided = f"{self.strong.id}, after {self.cheap.id}", second
        note = f"by {by}" + (f": {decided.note}" if decided.note else "")
        return decided.model_copy(update={"judge": self.id, "note": note})

    def says_event(self, judgement: Judgement) -> bool:
        """Whether a judgement has the label that is worth the strong judge."""
        return (judgement.label or "").strip().casefold() == self._event

    def _draws(self, answer: Answer) -> bool:
        """Toss the coin of one answer: a hash of who was asked what, never of what was said.

        So it is the same in any batch and after a kill, and equal answers to two asks have two
        coins, without which a text that is missed would be missed in all its copies.
        """
        key = f"cascade sample {self._seed} {answer.target} {answer.ask.id}".encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:7]) < self.share * 2**56


def _ask(judge: Judge | JointJudge, answers: Sequence[Answer]) -> list[Judgement]:
    """One judgement an answer, of a joint judge by what its parts say."""
    if not answers:
        return []
    if isinstance(judge, JointJudge):
        columns = [list(part.judge(answers)) for part in judge.parts]
        return [judge.join(row) for row in zip(*columns, strict=True)]
    return list(judge.judge(answers))
