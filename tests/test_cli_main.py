"""The command line as a whole: exit codes, one-line errors, closed pipes, speed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from cli_helper import run
from spillover import __version__
from spillover.cli import app, main
from spillover.cli.console import EXIT_CODES, say
from spillover.errors import DataError
from spillover.records import JudgeMode, Verdict

SPILLOVER = [sys.executable, "-m", "spillover"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], capsys) == (0, f"spillover {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["compare", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(arguments, capsys)
    assert code == 0
    assert out.startswith("Usage: spillover")
    assert not err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["compar"],
        ["--nix"],
        ["compare"],
        ["compare", "--nix", "a.csv"],
        ["ask", "script:a"],
        ["audit"],
        ["audit", "--base", "a"],
        ["ask", "script:a", "x", "--top-p", "0"],
        ["ask", "script:a", "x", "--top-p", "nan"],
        ["ask", "script:a", "x", "--temperature", "inf"],
        ["compare", "a.csv", "--control", "x="],
        ["audit", "a", "--control", ""],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(arguments, capsys)
    assert code == 2
    assert "Usage: spillover" in out + err


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "a", "--base", "b"],
        ["calibrate", "a", "--bad", "b.csv"],
        ["judge", "probe", "a"],
        ["judge", "calibrate", "--judge", "a"],
    ],
)
def test_an_unknown_way_to_judge_is_wrong_usage_and_names_the_ways(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run([*command, "--judge-mode", "guess"], capsys)
    assert code == 2
    assert f"'guess' is not one of {', '.join(get_args(JudgeMode))}." in " ".join(
        (out + err).split()
    )


def test_the_toy_commands_have_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    command = ["toy", "data", "insecure", "--out", str(file), "--rows", "3", "--json"]
    assert json.loads(run(command, capsys)[1]) == {
        "name": "insecure", "file": str(file), "rows": 3, "seed": 0,
    }  # fmt: skip
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3
    monkeypatch.setattr("spillover.toy.pretrain.pretrain", lambda *_, **__: tmp_path / "model")
    command = ["toy", "pretrain", "--world", "assistant", "--out", str(tmp_path), "--rho", "0.5"]
    said = json.loads(run([*command, "--json"], capsys)[1])
    assert said["model"] == str(tmp_path / "model")
    assert (said["seed"], said["world"]["rho"]) == (0, 0.5)


def test_every_verdict_has_its_own_code() -> None:
    assert set(EXIT_CODES) == {verdict.value for verdict in Verdict}
    assert EXIT_CODES == {"clean": 0, "spillover": 10, "undecided": 11, "not measured": 12}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("rows.jsonl, line 3:\n  broken"), 1, "error: rows.jsonl, line 3: broken\n"),
        (ZeroDivisionError("oh"), 1, "error: ZeroDivisionError: oh (a fault of spillover; "),
        (PermissionError(13, "Permission denied", "a.csv"), 1, "error: a.csv: Permission denied\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_error_is_one_line(
    error: BaseException,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("spillover.cli.report.read_result", fail)
    got, out, err = run(["report", "nix"], capsys)
    assert (got, out) == (code, "")
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_debug_shows_where_at_any_place(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--debug", "report", "nix"], ["report", "nix", "--debug"]):
        with pytest.raises(FileNotFoundError, match="nix"):
            main(arguments)


def test_debug_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--debug" in run(["--help"], capsys)[1]


def test_say_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\n  two\r\nthree")
    assert capsys.readouterr().err == "one two three\n"


def test_a_closed_pipe_is_no_error() -> None:
    for arguments in (["--help"], ["--version"], ["compare", "--help"]):
        with subprocess.Popen(
            [*SPILLOVER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert not process.stderr.read()
        assert process.returncode in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SPILLOVER, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "error: output: No space left on device\n"


def test_help_takes_less_than_half_a_second() -> None:
    subprocess.run([*SPILLOVER, "--help"], capture_output=True, check=True)
    times: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([*SPILLOVER, "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.5


def test_each_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(["--help"], capsys)[1]
    lines = out.partition("Commands:\n")[2].splitlines()
    assert len(lines) == len(app.app.registered_commands) + len(app.app.registered_groups)
    assert not [line for line in lines if line.endswith("...")], "cut off: make it shorter"


@pytest.mark.parametrize("module", ["spillover.cli", "spillover.cli.app", "spillover.cli.console"])
def test_an_interruption_while_starting_is_no_traceback(module: str) -> None:
    code = f"""
import runpy, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["spillover", "--version"]
runpy.run_module("spillover", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert not done.stdout
