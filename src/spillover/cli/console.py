"""What commands print with: stdout for results, stderr for bars and errors, exit codes of verdicts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from spillover.protocols import Progress
    from spillover.records import AuditResult

# Click has 1 (uncaught error) and 2 (usage), so that verdicts begin at 10.
EXIT_CODES = {"clean": 0, "spillover": 10, "undecided": 11, "not measured": 12}

# A command that is over sooner shows no bar.
_SECONDS_BEFORE_BAR = 1.0
# Where stderr is a file, a bar can't be drawn; a line says how far it is.
_SECONDS_BETWEEN_LINES = 15.0


def say(message: str) -> None:
    """Print ``message`` on stderr as one line, whatever line breaks it has."""
    print(" ".join(message.split()), file=sys.stderr)


def emit(text: str) -> None:
    """Print ``text`` on stdout; a reader that went away (``| head``) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        drop_stdout()


def emit_json(value: Any) -> None:
    """Print a record, or anything ``json`` can write, on stdout as indented JSON."""
    import json

    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        emit(value.model_dump_json(indent=2, by_alias=True))
    else:
        emit(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def show(result: AuditResult) -> None:
    """Print a result on stdout: a coloured table on a terminal, plain lines in a file or pipe."""
    from spillover.report import summary, summary_lines

    if not sys.stdout.isatty():
        emit("\n".join(summary_lines(result)))
        return
    from rich.console import Console

    console = Console()
    with console.capture() as captured:
        console.print(summary(result))
    emit(captured.get().rstrip("\n"))


def drop_stdout() -> None:
    """Send the rest of stdout nowhere, so that Python's last flush can't fail either."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def finish(result: AuditResult) -> NoReturn:
    """Exit with the code of the verdict."""
    import typer

    raise typer.Exit(EXIT_CODES[result.verdict.value])


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Yield a `Progress` that shows the step at hand as a bar on stderr, once it takes a while."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    started = said = time.monotonic()
    running = False
    shown: tuple[str, Any] | None = None
    last: tuple[float, float | None] = (0.0, None)

    def tell(step: str, done: float, total: float | None) -> None:
        nonlocal running, shown, said, last
        if shown is None or shown[0] != step:
            if shown is not None and total is not None and last[0] < done and last[1] == total:
                bars.update(shown[1], description=step)  # the same step, told in other words
                shown = (step, shown[1])
            else:
                if shown is not None:
                    bars.remove_task(shown[1])
                shown = (step, bars.add_task(step, total=total))
        bars.update(shown[1], completed=done, total=total)
        last = (done, total)
        now = time.monotonic()
        if not bars.console.is_terminal:
            if now - said > _SECONDS_BETWEEN_LINES:
                said = now
                say(f"{step}: {done:g}" + ("" if total is None else f" of {total:g}"))
        elif not running and now - started > _SECONDS_BEFORE_BAR:
            running = True
            bars.start()

    try:
        yield tell
    finally:
        if running:
            bars.stop()
