"""Run ``spillover`` inside the test process."""

from __future__ import annotations

import signal

import pytest

from spillover.cli import main


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``spillover``."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    captured = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, captured.out, captured.err


def heed_interrupts() -> None:
    """For a child process: without it, one that was begun in the background ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
