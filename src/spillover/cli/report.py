"""``spillover report``: write the report of a study, or of a report.json, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.console import emit, emit_json, show

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
    from spillover.report import write_report

    result = read_result(source)
    if out is not None:
        write_report(result, out)
    if json:
        emit_json(result)
    elif out is not None:
        emit(str(out / "report.html"))
    else:
        show(result)


def read_result(source: Path) -> AuditResult:
    """Return the result of a study's last audit, or of a report.json."""
    from spillover.errors import MissingFileError
    from spillover.report import read_report
    from spillover.store import DATABASE, Study

    if not (source / DATABASE).is_file():
        return read_report(source)
    with Study(source, read_only=True) as study:
        result = study.last_result()
    if result is None:
        raise MissingFileError(f"no audit in {source} has come to its end: run it again")
    return result
