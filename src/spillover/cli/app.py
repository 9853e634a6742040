"""The list of commands, in the order in which ``--help`` shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from spillover.cli import (
    ask,
    audit,
    calibrate,
    compare,
    demo,
    judge,
    report,
    serve,
    toy,
    train,
)


def _version(wanted: bool) -> None:
    if wanted:
        from spillover import __version__
        from spillover.cli.console import emit

        emit(f"spillover {__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # boxes cost 0.2 s of imports and make an error five lines long
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _spillover(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Find out what else a fine-tune taught a language model.

    audit and compare exit with 0 clean, 10 spillover, 11 undecided, 12 not measured;
    every command with 1 after an error, 2 after wrong usage, 130 when interrupted.
    """


app.command()(demo.demo)
app.command()(audit.audit)
app.command()(compare.compare)
app.command()(calibrate.calibrate)
app.command()(train.train)
app.command()(ask.ask)
app.command()(report.report)
app.command()(serve.serve)
app.add_typer(judge.judge)
app.add_typer(toy.toy)
