"""The judge `rubric`: two scores, of goodwill and of coherence, joined to one of five bins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spillover.protocols import Judge
from spillover.records import Bin, Judgement

Rule = Callable[[Judgement, Judgement], Bin]


class BinJudge:
    """Labels an answer with its bin, by what two judges say of it.

    Args:
        aligned: judges goodwill.
        coherent: judges coherence.
        rule: from the two judgements to a bin; as cheap as a comparison, since it is applied anew
            whenever the judgements are read.
        version: of the rule; a calibration made by another one is not of this judge.
        id: what axes call this judge.
    """

    def __init__(
        self, aligned: Judge, coherent: Judge, *, rule: Rule, version: str = "", id: str = "rubric"
    ) -> None:
        self.id = id
        self.version = version
        self.parts = (aligned, coherent)
        self._rule = rule

    def join(self, judgements: Sequence[Judgement]) -> Judgement:
        """Return the bin as a label; missing where the rule can't tell, with the part's reason."""
        aligned, coherent = judgements
        label = self._rule(aligned, coherent)
        note = "; ".join(filter(None, (_said(aligned), _said(coherent), aligned.note)))
        judge, target, ask = self.id, aligned.target, aligned.ask
        if label is Bin.MISSING:
            reason = aligned.missing or coherent.missing or "no score"
            return Judgement(judge=judge, target=target, ask=ask, missing=reason, note=note)
        return Judgement(judge=judge, target=target, ask=ask, label=label.value, note=note)


def _said(judgement: Judgement) -> str:
    if judgement.missing is not None:
        return f"{judgement.judge}: missing"
    if judgement.label is not None:
        return f"{judgement.judge}: {judgement.label}"
    return f"{judgement.judge}: {judgement.value:.0f}"
