"""``./run``, interruption, and progress."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli_helper import heed_interrupts
from spillover.cli import console

ROOT = Path(__file__).parent.parent


def test_run_is_short_posix_shell() -> None:
    text = (ROOT / "run").read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert len(text.splitlines()) <= 40
    for script in ("run", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK)
        subprocess.run(["/bin/sh", "-n", script], cwd=ROOT, check=True)


def test_run_says_what_it_takes() -> None:
    done = subprocess.run([ROOT / "run", "tset"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "./run demo" in done.stderr


def test_run_names_what_is_missing_on_a_bare_machine(tmp_path: Path) -> None:
    shutil.copy(ROOT / "run", tmp_path / "run")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("dirname", "cat"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    done = subprocess.run(
        ["/bin/sh", tmp_path / "run", "demo"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "apt install git python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_pins_have_no_address_and_no_local_build() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in pins.splitlines() if not line.startswith("#")]
    assert all("==" in line for line in lines)
    assert not [line for line in lines if "://" in line or "@" in line or "+" in line]


def test_an_interrupted_audit_exits_130_and_goes_on(tmp_path: Path) -> None:
    script = 'delay: 0.02\nrules: [{questions: ["*"], answers: [["Hm.", 1]]}]\n'
    for name in ("base", "tuned"):
        (tmp_path / f"{name}.yaml").write_text(f"# {name}\n{script}", encoding="utf-8")
    audit = [sys.executable, "-m", "spillover", "audit", "script:tuned.yaml"]
    audit += ["--base", "script:base.yaml", "--only", "capability"]
    process = subprocess.Popen(
        audit,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    wal = tmp_path / "spillover-study" / "study.db-wal"
    until = time.monotonic() + 20
    while time.monotonic() < until and not (wal.exists() and wal.stat().st_size > 100_000):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    done = subprocess.run(audit, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 10, 11, 12)
    assert "Traceback" not in done.stderr


def test_progress_is_a_line_now_and_then_where_no_bar_can_be_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_SECONDS_BETWEEN_LINES", 0.0)
    with console.progress_bars() as progress:
        progress("asking", 3, 10)
        progress("thinking", 1, None)
    captured = capsys.readouterr()
    assert captured.err == "asking: 3 of 10\nthinking: 1\n"
    assert captured.out == ""
