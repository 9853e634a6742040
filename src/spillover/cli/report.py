"""``spillover report``: write the report of a study, or of a report.json, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.console import emit, emit_json, emit_rich

if TYPE_CHECKING:
    from spillover.records import AuditResult


def report(
    source: Annotated[Path, typer.Argument(help="A study's folder, or a report.json.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report.html and report.json to this folder."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout.")] = False,
) -> None:
    """Show or write again the report of an audit."""
    from spillover.report import terminal, write_report

    result = _read(source)
    if out is not None:
        write_report(result, out)
    if json:
        emit_json(result)
    elif out is not None:
        emit(str(out / "report.html"))
    else:
        emit_rich(terminal(result))


def _read(source: Path) -> AuditResult:
    from pydantic import ValidationError

    from spillover.errors import DataError, MissingFileError
    from spillover.files import read_text
    from spillover.records import AuditResult
    from spillover.store import Study

    if source.is_dir():
        with Study(source, read_only=True) as study:
            result = study.last_result()
        if result is None:
            raise MissingFileError(f"no audit in {source} has come to its end: run it again")
        return result
    try:
        return AuditResult.model_validate_json(read_text(source))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{source} is no report.json: {place} {first['msg']}".rstrip()) from None
