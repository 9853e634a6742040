"""Write, read and describe ``report.json``; write ``report.html`` beside it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from spillover.errors import DataError, StoreError
from spillover.files import read_text, write_text
from spillover.records import AuditResult
from spillover.report.page import render_html

# The largest e-value that is written: JSON has no infinity.
_LARGEST = 1e300


class ReportPaths(NamedTuple):
    """Where the two files of a report lie."""

    html: Path
    json: Path


def write_report(result: AuditResult, folder: Path) -> ReportPaths:
    """Write ``report.html`` and ``report.json`` into ``folder``: both, or neither.

    Infinite numbers are written as 1e300 and text that is not UTF-8 with replacement characters,
    so that what is written can always be read back.

    Raises:
        StoreError: the disk is full or the folder not writable; an earlier report is unchanged.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"can't write a report to {folder}: name a folder, not a file or device")
    result = _sound(result)
    paths = ReportPaths(folder / "report.html", folder / "report.json")
    html = render_html(result)
    text = result.model_dump_json(by_alias=True, indent=1) + "\n"
    before = _bytes_of(paths.json)
    write_text(paths.json, text)
    try:
        write_text(paths.html, html)
    except BaseException:
        _restore(paths.json, before)
        raise
    return paths


def read_report(path: Path) -> AuditResult:
    """Return the result in ``path``, a ``report.json`` or the folder that holds one.

    Raises:
        MissingFileError: there is no such file.
        DataError: it is not JSON, or not a report of this version; the message names the place.
    """
    if path.is_dir():
        path = path / "report.json"
    text = read_text(path)
    try:
        found: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    wanted = AuditResult.model_fields["schema_"].default
    schema = found.get("schema") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if schema != wanted:
        raise DataError(
            f'{path} is not a report: "schema" is {schema!r:.60}, but must be "{wanted}"; '
            "give a report.json that spillover wrote"
        )
    try:
        return AuditResult.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']} (a broken report.json)") from None


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``report.json``, as in ``docs/report.schema.json``."""
    schema = AuditResult.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """Return the text of ``docs/report.schema.json``."""
    return json.dumps(report_schema(), indent=2) + "\n"


def _sound(result: AuditResult) -> AuditResult:
    return AuditResult.model_validate(_finite(result.model_dump(mode="python", by_alias=True)))


def _finite(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else _utf8(value)
    if isinstance(value, float):
        return math.copysign(_LARGEST, value) if math.isinf(value) else value
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return tuple(_finite(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return value


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8") if _has_surrogate(text) else text


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        if path.is_file():
            path.unlink()
    else:
        write_text(path, before.decode("utf-8"))
