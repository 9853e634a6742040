"""An audit with a calibrated judge: which axes the calibration is for, and what it changes there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spillover.compare import JudgeBounds, check_judge, judge_bounds, judge_fault, with_corrected
from spillover.data import read_calibration
from spillover.errors import ConfigError
from spillover.protocols import Instrument, judge_version
from spillover.records import Axis, AxisResult, Bin


def with_calibration(instrument: Instrument, path: str | Path | None) -> Instrument:
    """Return the instrument with the calibration in a file; as it is where ``path`` is None.

    Raises:
        ConfigError: it is of another judge than that of the axis that decides, or another version.
        MissingFileError: there is no such file.
    """
    if path is None:
        return instrument
    calibration = read_calibration(Path(path))
    axis = next((axis for axis in instrument.axes if axis.decides), instrument.axes[0])
    judge = instrument.judges.get(axis.judge)
    if judge is None:
        raise ConfigError(
            f"--calibration {path}: nobody judges {axis.title!r} here: give the judge that it is of"
            " (--judge MODEL)"
        )
    check_judge(calibration, axis.judge, judge_version(judge))
    return replace(instrument, calibration=calibration)


def applies(instrument: Instrument, axis: Axis) -> bool:
    """Whether the instrument's calibration is of this axis' judge and event."""
    found = instrument.calibration
    if found is None or axis.measure != "event" or axis.harm != "up":
        return False
    return (found.judge, found.event) == (axis.judge, axis.event or Bin.MISALIGNED.value)


def bounds_of(instrument: Instrument, axis: Axis) -> JudgeBounds | None:
    """How well the judge of an axis is known, if it is."""
    known = instrument.calibration
    if known is None or not applies(instrument, axis) or judge_fault(known) is not None:
        return None
    return judge_bounds(known)


def unusable(instrument: Instrument, axis: Axis) -> str | None:
    """Return why the judge of an axis can't be used by its own calibration, or None."""
    if instrument.calibration is None or not applies(instrument, axis):
        return None
    return judge_fault(instrument.calibration)


def corrected(instrument: Instrument, axis: Axis, result: AxisResult) -> AxisResult:
    """Return the result with corrected rates, where the calibration is for its axis."""
    if instrument.calibration is None or bounds_of(instrument, axis) is None:
        return result
    return with_corrected(result, instrument.calibration)
