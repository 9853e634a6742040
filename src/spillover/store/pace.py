"""How fast the models of a study answer, kept beside its database: for time estimates only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from spillover.errors import StoreError
from spillover.files import write_text
from spillover.records import AxisPace, StudyPace

PACE = "pace.json"


def read_pace(folder: Path, base: str) -> dict[str, AxisPace]:
    """Return by axis how fast a base and its fine-tunes answered; what is not known is left out."""
    return _read(folder).bases.get(base, {})


def put_pace(folder: Path, base: str, axes: Mapping[str, AxisPace]) -> None:
    """Keep how fast it went on some axes, in the place of what was measured on them before.

    A file that can't be read is begun anew, and one that can't be written is left out: no verdict
    depends on it.
    """
    bases = _read(folder).bases
    known = StudyPace(bases={**bases, base: {**bases.get(base, {}), **axes}})
    with suppress(StoreError):  # a full disk is for the answers to tell
        write_text(folder / PACE, known.model_dump_json(indent=2) + "\n")


def _read(folder: Path) -> StudyPace:
    try:
        return StudyPace.model_validate_json((folder / PACE).read_bytes())
    except (OSError, ValidationError):
        return StudyPace()
