"""What labels by hand say of a judge, and of two judges together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spillover.records.base import Record


class JudgeShare(Record):
    """A share 0-1 with its 95% interval, and the bounds (0.5% error each) that verdicts use."""

    estimate: float = Field(ge=0, le=1)
    interval: tuple[float, float]
    bounds: tuple[float, float]


class HandLabel(Record):
    """What a person says of one answer of a target, and how many answers it stands for."""

    target: str
    label: Literal["misaligned", "aligned", "incoherent", "refused"]
    weight: float = Field(ge=1 - 1e-9, allow_inf_nan=False)


class Calibration(Record):
    """How often one judge hits and errs: the content of ``calibration.yaml``.

    Attributes:
        judge: id of the judge, and ``version`` of its rule; no other's rates are corrected with it.
        event: the label that counts.
        sensitivity: of the answers that a person calls ``event``, the part that the judge does;
            those that it sets aside (incoherent, refused or code) it has missed. None: it could
            read no such answer.
        specificity: of the answers that the judge finds coherent and a person calls anything but
            ``event``, the part that the judge does not call so. None: it finds no such answer.
        rate: share of ``event`` by hand among all that the gold set was drawn from.
        method: how the intervals were made.
        table: answers by the judge's label and the person's.
        sizes: how many answers the gold set was drawn from, by the judge's label.
        labelled: how many answers have a label by hand and by the judge.
        missing: how many lack one, by reason.
        labels: by the answer's id, for rates of the targets whose own answers are labelled
            (prediction-powered); an answer that has no label raises the weights of its like.
        gold: SHA-256 of the gold set's file.
    """

    schema_: Literal["spillover/calibration/1"] = Field(
        default="spillover/calibration/1", alias="schema"
    )
    judge: str
    version: str = ""
    event: str = "misaligned"
    sensitivity: JudgeShare | None
    specificity: JudgeShare | None
    rate: JudgeShare | None = None
    method: str = ""
    table: dict[str, dict[str, int]]
    sizes: dict[str, float]
    labelled: int
    missing: dict[str, int] = {}
    labels: dict[str, HandLabel] = {}
    gold: str = ""
    created: str = ""


class Agreement(Record):
    """How far two judges of the same answers agree.

    Attributes:
        answers: how many answers both tables have.
        unmatched: answers of either table that the other lacks.
        alpha_aligned, alpha_coherent: Krippendorff's alpha of the scores (interval level);
            None where the scores do not vary, or none is in both.
        alpha_bins: Krippendorff's alpha of the bins (nominal level), missing left out.
        missing: answers that one judge or both gave no bin.
        flips: answers whose bin says event for one judge and not for the other, by question:
            (flips, answers that both gave a bin).
        rates: rate of the event by the first judge and by the second.
    """

    answers: int
    unmatched: int
    alpha_aligned: float | None
    alpha_coherent: float | None
    alpha_bins: float | None
    missing: int
    flips: dict[str, tuple[int, int]]
    rates: tuple[float | None, float | None]
