"""The spike-in that a study keeps: written by a calibration, shown by the audits it speaks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from spillover.auditing.calibrated import bounds_of
from spillover.auditing.cascaded import share_of
from spillover.auditing.plan import AxisPlan
from spillover.errors import DataError, MissingFileError
from spillover.files import read_text, write_text
from spillover.protocols import JointJudge, Judge, judge_version
from spillover.records import SpikeIn, TargetSpec, digest, first_fault

FILE = "spike-in.json"


def spike_key(plan: AxisPlan, base: TargetSpec, judge: Judge | JointJudge) -> str:
    """Return what two audits have in common that one spike-in speaks for: all but seed and target."""
    axis = plan.axis
    known = bounds_of(plan.instrument, axis)
    return digest(
        [
            base.id,
            [question.model_dump(mode="json") for question in plan.questions],
            [plan.settings(question).model_dump(mode="json") for question in plan.questions],
            axis.thresholds.model_dump(mode="json"),
            [axis.id, axis.event, axis.measure, axis.test, axis.harm],
            [judge.id, judge_version(judge)],
            None if known is None else list(known),
        ]
    )


def keep_spike_in(folder: Path, result: SpikeIn) -> Path:
    """Write ``spike-in.json`` into a folder, in place of an earlier one, and return its path."""
    path = folder / FILE
    write_text(path, result.model_dump_json(by_alias=True, indent=1) + "\n")
    return path


def find_spike_in(
    folder: Path,
    plans: Sequence[AxisPlan],
    base: TargetSpec,
    judges: Mapping[str, Judge | JointJudge],
) -> SpikeIn | None:
    """Return the folder's spike-in if it speaks for the axis that decides; else None.

    Raises:
        DataError: there is one, but it is broken.
    """
    try:
        text = read_text(folder / FILE)
    except MissingFileError:
        return None
    try:
        found = SpikeIn.model_validate_json(text)
    except ValidationError as error:
        raise DataError(
            f"{folder / FILE}: {first_fault(error, 'JSON')}: remove it, or calibrate again"
        ) from None
    plan = next(plan for plan in plans if plan.axis.decides)
    judge = judges.get(plan.axis.judge)
    if judge is None or share_of(judge) is not None:  # no spike-in has a cascade's sample
        return None
    return found if spike_key(plan, base, judge) == found.key else None
