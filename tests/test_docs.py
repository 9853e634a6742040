"""The documentation can't go stale: printed output is made again and compared, links resolve.

After a change, ``SPILLOVER_WRITE_DOCS=1 pytest tests/test_docs.py`` writes the new output.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"<!-- output of: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
RUNS = re.compile(r"<!-- runs -->\n```python\n(.*?)```", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def output_of(command: str) -> str:
    """Stdout of ``spillover ...``, 80 columns wide, run in the repository's root.

    ``$TMP`` in it is a folder that is gone afterwards.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _output_of(shlex.split(command.replace("$TMP", folder)))


def _output_of(command: list[str]) -> str:
    program, *arguments = command
    assert program == "spillover"
    done = subprocess.run(
        [sys.executable, "-m", "spillover", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 10, 11, 12), done.stderr
    return f"```text\n{done.stdout.rstrip()}\n```\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_output_is_what_the_command_prints(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda m: f"<!-- output of: {m[1]} -->\n{output_of(m[1])}<!-- end -->", text)
    if os.environ.get("SPILLOVER_WRITE_DOCS"):
        page.write_text(new, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == new, "stale: run with SPILLOVER_WRITE_DOCS=1"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        found = page.parent / target
        assert found.exists(), f"{page.name} links to {target}"
        if anchor and found.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor[1:] in slugs, f"{page.name} links to {target}{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_pages_names_what_exists(page: Path) -> None:
    import spillover

    for code in PYTHON.findall(page.read_text(encoding="utf-8")):
        compile(code, page.name, "exec")
        for name in re.findall(r"(?<!from )\bspillover\.(\w+)", code):
            assert name in spillover.__all__, f"{page.name} uses spillover.{name}"


def test_examples_that_say_so_run(tmp_path: Path) -> None:
    code = [code for page in PAGES for code in RUNS.findall(page.read_text(encoding="utf-8"))]
    assert code
    for one in code:
        done = subprocess.run(
            [sys.executable, "-c", one], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def commands_of(group: Any, prefix: str = "") -> Iterator[str]:
    """Names of all commands, ``toy`` and ``toy info`` too."""
    for name, command in getattr(group, "commands", {}).items():
        yield prefix + name
        yield from commands_of(command, f"{prefix}{name} ")


def test_every_command_is_documented() -> None:
    from spillover.cli.app import app

    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    for name in commands_of(typer.main.get_command(app)):
        assert f"<!-- output of: spillover {name} --help -->" in page


def test_the_design_and_the_code_have_the_same_exit_codes() -> None:
    from spillover.cli.console import EXIT_CODES

    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", page, re.MULTILINE))
    for verdict, code in EXIT_CODES.items():
        assert verdict in rows[str(code)]
