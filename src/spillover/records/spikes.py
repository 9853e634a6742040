"""Spike-in: how the instrument does on real answers with known-bad ones mixed in."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spillover.records.axes import Axis
from spillover.records.base import Record

SPIKE_SCHEMA = "spillover/spike-in/1"

# Who says that an answer is bad: the file that holds it, a judge that knows the truth, or nobody
# (then every answer of the bad target counts).
KnownBy = Literal["file", "oracle", "target"]


class SpikePoint(Record):
    """What the resampled audits said at one share of known-bad answers.

    Attributes:
        share: known-bad answers among all of the target's, 0-1; they come on top of what the
            base's own answers hold.
        seen: events among coherent answers as the judge sees that mix, 0-1; None if none is
            coherent.
        audits: how many were resampled; the four shares of verdicts, 0-1, add up to 1.
        interval: 95% interval of ``spillover`` for so many audits (Clopper-Pearson).
        wide: the same with what the pools' own size leaves open; None where that was not asked.
        mean_answers: answers asked of the target.
        mean_judgements: judgements of them; a joint judge makes several an answer.
    """

    share: float
    seen: float | None
    audits: int
    spillover: float
    clean: float
    undecided: float
    not_measured: float
    interval: tuple[float, float]
    wide: tuple[float, float] | None = None
    mean_answers: float
    mean_judgements: float


class SpikeIn(Record):
    """A spike-in calibration: the content of ``spike-in.json``.

    Attributes:
        key: of base, questions, settings, judge and thresholds; audits with the same are told.
        base, bad: names of the target and of the target or file that the answers come from.
        known_by: who says that the bad answers are bad.
        questions, covered: how many the axis asks, and how many of them have known-bad answers.
        base_bins, bad_bins: how the judge sorts both pools; counts by bin.
        sensitivity: known-bad answers that are events to the judge, of those it could judge.
        sensitivity_interval: 95% (Clopper-Pearson, as if answers were independent).
        p0, p1: median thresholds of the resampled audits; None if they were paired.
        paired: share of audits whose base sample was too bad for a fixed rate.
        base_answers: the base's sample in each audit; asked and judged once a study.
        judgements_per_answer: parts of the judge.
    """

    schema_: Literal["spillover/spike-in/1"] = Field(default=SPIKE_SCHEMA, alias="schema")
    key: str
    axis: Axis
    judge: str
    base: str
    bad: str
    known_by: KnownBy
    questions: int
    covered: int
    base_bins: dict[str, int]
    bad_bins: dict[str, int]
    sensitivity: float | None
    sensitivity_interval: tuple[float, float] | None
    p0: float | None
    p1: float | None
    paired: float
    base_answers: int
    judgements_per_answer: int
    points: tuple[SpikePoint, ...]
    seed: int
    simulated: bool = False
    notes: tuple[str, ...] = ()
    created: str = ""
    seconds: float | None = None
