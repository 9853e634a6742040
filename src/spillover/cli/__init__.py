"""The command line: arguments only. Each command group is one file; heavy imports lie inside commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spillover.errors import SpilloverError


def main(argv: Sequence[str] | None = None) -> None:
    """Run the ``spillover`` command and exit; an error is one line on stderr, never a traceback.

    Args:
        argv: arguments without the program's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Taken out here, since it must work at any place and while arguments are being parsed.
    debug = "--debug" in arguments
    try:
        code = _flush(_run([a for a in arguments if a != "--debug"], debug=debug))
    except KeyboardInterrupt:  # while the commands were imported, or results written out
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def _run(arguments: list[str], *, debug: bool) -> int:
    import typer.main

    from spillover.cli.app import app
    from spillover.cli.console import say

    try:
        # Not `app()`: that would put typer's own traceback printer in place.
        typer.main.get_command(app).main(arguments, prog_name="spillover")
    except SystemExit as exit_:
        if exit_.code == 130:
            say("interrupted")
        return exit_.code if isinstance(exit_.code, int) else 0
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except SpilloverError as error:
        if debug:
            raise
        say(f"error: {error}")
        return 1
    except OSError as error:
        if debug:
            raise
        say(f"error: {error.filename or 'output'}: {error.strerror or error}")
        return 1
    except Exception as error:
        if debug:
            raise
        say(f"error: {type(error).__name__}: {error} (a fault of spillover; --debug shows where)")
        return 1
    return 0


def _flush(code: int) -> int:
    from spillover.cli.console import drop_stdout, say

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        drop_stdout()
        if code != 1:  # else it is said already
            say(f"error: output: {error.strerror}")
        return 1
    return code
