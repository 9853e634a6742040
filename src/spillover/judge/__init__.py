"""Judges: answer -> judgement. Each is one small file; third parties add theirs by entry point.

A builder takes the battery (so that a judge can look a question up) and gives the judge. An
entry point in the group ``spillover.judges`` names such a builder.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from spillover.errors import ConfigError
from spillover.judge.bins import BinJudge
from spillover.judge.choice import ChoiceJudge
from spillover.judge.code_security import CodeSecurityJudge
from spillover.judge.exact import ExactJudge
from spillover.judge.rating import RatingJudge
from spillover.judge.refusal import RefusalJudge
from spillover.judge.rubric import RubricJudge
from spillover.protocols import Judge
from spillover.records import Battery

__all__ = [
    "JUDGES", "BinJudge", "ChoiceJudge", "CodeSecurityJudge", "ExactJudge", "JudgeBuilder", "RatingJudge",
    "RefusalJudge", "RubricJudge", "load_judges",
]  # fmt: skip

JudgeBuilder = Callable[[Battery], Judge]
GROUP = "spillover.judges"

JUDGES: tuple[JudgeBuilder, ...] = (
    ChoiceJudge,
    CodeSecurityJudge,
    ExactJudge,
    RatingJudge,
    RefusalJudge,
)


def load_judges(battery: Battery) -> dict[str, Judge]:
    """Return every judge by id: the built-in ones, then those of installed packages.

    Raises:
        ConfigError: an installed package's judge can't be loaded, or takes an id that is taken.
    """
    judges = {judge.id: judge for judge in (build(battery) for build in JUDGES)}
    for point in metadata.entry_points(group=GROUP):
        judge = _load(point, battery)
        if judge.id in judges:
            raise ConfigError(
                f"judge {point.value!r} has the id {judge.id!r}, which is taken: give it another"
            )
        judges[judge.id] = judge
    return judges


def _load(point: metadata.EntryPoint, battery: Battery) -> Judge:
    try:
        judge: Any = point.load()(battery)
    except Exception as error:  # whatever another package's code raises, say whose it is
        raise ConfigError(
            f"judge {point.name!r} ({point.value}) can't be loaded: {error}"
        ) from error
    if not isinstance(getattr(judge, "id", None), str) or not callable(
        getattr(judge, "judge", None)
    ):
        raise ConfigError(f"judge {point.name!r} ({point.value}) has no id and judge(answers)")
    return judge
