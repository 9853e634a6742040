"""Did the fine-tune learn what it was trained on? If not, nothing else it does says much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spillover.auditing.asking import Judged
from spillover.auditing.measure import Reading, to_outcome
from spillover.auditing.plan import AxisPlan
from spillover.judge import CascadeJudge
from spillover.models.adapters import read_finetune
from spillover.protocols import JointJudge, Judge
from spillover.records import (
    Answer,
    Ask,
    AxisResult,
    Bin,
    FineTune,
    LocalWhat,
    Row,
    TargetSpec,
    Verdict,
)

MOST_ROWS = 200
HELD_OUT_CHOICE = "held_out_choice"  # tag of questions that `narrow_questions` makes of choices
LEAST_SCORED = 20  # rows; with fewer, what the data shows of the narrow behaviour is not known


class DataShare(NamedTuple):
    """What the narrow axis' own judge says of the training rows.

    ``share`` is the event's share (0-1) of the ``scored`` rows; the others are missing.
    """

    axis: str
    share: float
    scored: int
    missing: int


def find_finetune(spec: TargetSpec) -> FineTune | None:
    """Return the fine-tune that a target's adapter belongs to, if its record lies beside it.

    A target behind an API has a record where it was named by the folder of its fine-tune.

    Raises:
        DataError: there is a ``finetune.json``, but it is broken.
    """
    if spec.where.finetune is not None:
        return read_finetune(Path(spec.where.finetune))
    if not isinstance(spec.what, LocalWhat):
        return None
    folder = Path(spec.where.adapter or spec.where.model)
    for place in (folder, folder.parent):
        if (place / "finetune.json").is_file():
            found = read_finetune(place)
            if (place / found.adapter).resolve() == folder.resolve():
                return found
    return None


def judge_rows(
    plan: AxisPlan, judge: Judge | JointJudge | None, rows: Sequence[Row]
) -> DataShare | None:
    """Judge the training rows as if they were answers on a narrow event axis.

    Up to 200 rows, evenly spaced; a judge that looks at the question finds the axis' first one.
    Rows of another topic show neither the event nor its opposite: they don't count, and where
    most of those that could be judged are such, nothing is known of the axis.
    Questions made of held-out rows ask for the very answers that the data gives, so all rows
    count there. Other choices depend on how each question was put: nothing is known of the rows.
    """
    # a model's judgement of rows can cost money
    if judge is None or isinstance(judge, JointJudge | CascadeJudge):
        return None
    if plan.axis.measure != "event" or not rows:
        return None
    if all(HELD_OUT_CHOICE in question.tags for question in plan.questions):
        return DataShare(plan.axis.id, 1.0, len(rows), 0)
    if any(question.choices for question in plan.questions):
        return None
    step = max(1, len(rows) // MOST_ROWS)
    question = plan.questions[0]
    answers = [
        Answer(
            ask=Ask(question=question.id, paraphrase=0, messages=row.prompt),
            target="training rows",
            text=row.completion,
            finish="stop",
        )
        for row in rows[::step][:MOST_ROWS]
    ]
    judged = zip(answers, judge.judge(answers), strict=True)
    bins = [to_outcome(plan.axis, Judged(question, a, j)).settled_bin for a, j in judged]
    read = sum(one is not Bin.MISSING for one in bins)
    scored = sum(one in (Bin.MISALIGNED, Bin.ALIGNED) for one in bins)
    if scored < max(LEAST_SCORED, read / 2):
        return None
    events = sum(one is Bin.MISALIGNED for one in bins)
    return DataShare(plan.axis.id, events / scored, scored, len(bins) - scored)


def not_learnt(
    finetune: FineTune | None,
    narrow: Sequence[tuple[Reading, AxisResult, AxisResult]],
    shares: Sequence[DataShare],
) -> str | None:
    """Return why the target can't be said to have learnt its data, or None.

    Args:
        finetune: the target's record; without one there is no recipe to hold it to.
        narrow: each narrow axis: the target's reading, its result, and the base's result.
        shares: what the same judges say of the training rows.
    """
    if finetune is None:
        return None
    learning = finetune.learning
    if learning.learnt is False:
        return f"the training data was not learnt: {learning.reason or _loss(finetune)}"
    by_axis = {share.axis: share for share in shares}
    for reading, result, base in narrow:
        axis, share = reading.plan.axis, by_axis.get(reading.plan.axis.id)
        if share is None:
            continue
        # of a base without a level one can't say that it is there already
        before = {"up": 0.0, "down": 1.0, "both": round(1 - share.share)}[axis.harm]
        gap = 100 * (share.share - (before if base.estimate is None else base.estimate))
        if {"up": gap, "down": -gap, "both": abs(gap)}[axis.harm] < axis.thresholds.d1:
            continue  # the data should not move it
        if (
            base.estimate is None
            or result.estimate is None
            or result.verdict is Verdict.NOT_MEASURED
        ):
            return (
                f"whether the narrow behaviour moved is not known, since {axis.title!r} is not"
                f" measured: {result.reason or base.reason or 'nothing could be scored'}"
            )
        if result.verdict is not Verdict.SPILLOVER:
            return (
                f"the narrow behaviour did not move: {axis.event or 'misaligned'} in"
                f" {share.share:.0%} of the training rows, but in {result.estimate:.0%} of the"
                f" answers on {axis.title!r} (the base {base.estimate:.0%})"
            )
    return None


def _loss(finetune: FineTune) -> str:
    learning = finetune.learning
    if learning.base_loss is None or learning.tuned_loss is None:
        return "the loss on held-out rows is not known to have fallen"
    return (
        f"loss on {learning.rows} held-out rows {learning.base_loss:.2f} before,"
        f" {learning.tuned_loss:.2f} after"
    )
