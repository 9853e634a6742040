"""How fast the models of a study answer: what a time estimate is made from."""

from __future__ import annotations

from pydantic import Field

from spillover.records.base import Record


class AxisPace(Record):
    """How many answers one axis was asked for, and how long asking and judging them took."""

    answers: int = Field(ge=1)
    seconds: float = Field(ge=0, allow_inf_nan=False)


class StudyPace(Record):
    """By id of the base and by axis, what the last audit that asked enough on it measured."""

    bases: dict[str, dict[str, AxisPace]] = {}
