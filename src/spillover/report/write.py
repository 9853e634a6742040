"""Write, read and describe ``report.json``; write ``report.html`` beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from spillover.errors import DataError, StoreError
from spillover.files import read_text, write_texts
from spillover.records import AuditResult
from spillover.report.page import render_html

# The largest number that is written: JSON has no infinity, and readers differ near their largest.
_LARGEST = 1e300


class ReportPaths(NamedTuple):
    """Where the two files of a report lie."""

    html: Path
    json: Path


def write_report(result: AuditResult, folder: Path) -> ReportPaths:
    """Write ``report.html`` and ``report.json`` into ``folder``: both, or neither.

    Numbers beyond 1e300 are written as 1e300 and text that is not UTF-8 with replacement characters,
    so that what is written can always be read back. A kill at the wrong moment can leave
    ``report.json`` without its page, from which `read_report` and this make it again, but never
    beside the page of another audit.

    Raises:
        StoreError: the disk is full or the folder not writable; an earlier report is unchanged.
    """
    check_folder(folder)
    result = _sound(result)
    paths = ReportPaths(folder / "report.html", folder / "report.json")
    text = result.model_dump_json(by_alias=True, indent=1) + "\n"
    write_texts({paths.json: text, paths.html: render_html(result)})
    return paths


def check_folder(folder: Path) -> None:
    """Raise `StoreError` where no report can be written: ``folder`` is a file or a device."""
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"can't write a report to {folder}: name a folder, not a file or device")


def read_report(path: Path) -> AuditResult:
    """Return the result in ``path``, a ``report.json`` or the folder that holds one.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is not JSON, or not a report of this version, or speaks of axes or targets
            that it does not have; the message names the place.
    """
    if path.is_dir():
        path = path / "report.json"
    text = read_text(path)
    try:
        found: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # such as a number of more than 4,300 digits
        raise DataError(f"{path}: JSON that can't be read ({error})") from None
    wanted = AuditResult.model_fields["schema_"].default
    schema = found.get("schema") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if schema != wanted:
        raise DataError(
            f'{path} is not a report: "schema" is {schema!r:.60}, but must be "{wanted}"; '
            "give a report.json that spillover wrote"
        )
    try:
        result = AuditResult.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']} (a broken report.json)") from None
    if lost := _lost(result):
        raise DataError(f"{path}: {lost} (a broken report.json)")
    return result


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``report.json``, as in ``docs/report.schema.json``."""
    schema = AuditResult.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """Return the text of ``docs/report.schema.json``."""
    return json.dumps(report_schema(), indent=2) + "\n"


def _lost(result: AuditResult) -> str | None:
    """Return the first name of an axis or target that the result has not, with those it has."""
    if result.headline_axis not in result.axes:
        return _no("headline_axis", result.headline_axis, result.axes)
    if result.subject not in result.targets:
        return _no("subject", result.subject, result.targets)
    for name, target in result.targets.items():
        for axis in target.axes:
            if axis not in result.axes:
                return _no(f"targets.{name}.axes", axis, result.axes)
    if result.headline_axis not in (known := result.targets[result.subject].axes):
        return _no(
            f"targets.{result.subject}.axes lacks headline_axis", result.headline_axis, known
        )
    return None


def _no(place: str, name: str, known: Iterable[str]) -> str:
    return f"{place}: there is no {name!r}; there are {', '.join(known) or 'none'}"


def _sound(result: AuditResult) -> AuditResult:
    return AuditResult.model_validate(_finite(result.model_dump(mode="python", by_alias=True)))


def _finite(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else _utf8(value)
    if isinstance(value, float):
        return math.copysign(_LARGEST, value) if abs(value) > _LARGEST else value
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return tuple(_finite(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return value


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8") if _has_surrogate(text) else text


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
