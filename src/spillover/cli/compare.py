"""``spillover compare``: a verdict from tables of judged answers; no model needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spillover.cli.console import emit_json, finish, show


def compare(
    answers: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns question, answer, question_id, aligned, coherent."
        ),
    ],
    base: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The base model's answers, as a CSV.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE", help="A control's answers; may be given repeatedly."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report.html and report.json to this folder."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout.")] = False,
) -> None:
    """Give a verdict on tables of judged answers.

    An empty cell is a missing judgement, never a score. Exits with the verdict's code.
    """
    from spillover.compare import compare_tables
    from spillover.report import write_report

    result = compare_tables(answers, base=base, controls=_named(control or []))
    if out is not None:
        write_report(result, out)
    if json:
        emit_json(result)
    else:
        show(result)
    finish(result)


def _named(controls: list[str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for text in controls:
        name, _, path = text.rpartition("=")
        name = name or Path(path).stem
        if name in named:
            raise typer.BadParameter(f"two controls are named '{name}': name them NAME=FILE")
        named[name] = Path(path)
    return named
