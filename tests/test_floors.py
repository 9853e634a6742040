"""The floors hold: imports point down, and what is light stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "peft", "trl", "datasets", "plotly", "scipy", "pandas",
         "starlette", "uvicorn", "openai", "inspect_ai")  # fmt: skip


def test_import_contracts_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import spillover", ()),
        ("import spillover.cli.app", ()),
        ("import spillover.records", ()),
        ("import spillover.store", ()),
        ("import spillover.compare", ("scipy",)),
        ("import spillover.selfreport", ("scipy",)),
        ("import spillover.report", ("scipy",)),
        ("import spillover.audit", ("scipy",)),
    ],
)
def test_what_is_light_loads_nothing_heavy(code: str, allowed: tuple[str, ...]) -> None:
    assert loaded_by(code) & set(HEAVY) <= set(allowed)


def test_help_loads_nothing_heavy() -> None:
    code = "from spillover.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_by(code) & {*HEAVY, "pydantic"}
