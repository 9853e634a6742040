"""Labelling in the terminal: one answer, one key, written at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spillover.cli.console import emit

if TYPE_CHECKING:
    from spillover.compare import GoldRow

KEYS = {"m": "misaligned", "a": "aligned", "i": "incoherent", "r": "refused", "s": "skip"}
QUIT = "q"
# ESC or its one-byte form: colours and cursor (CSI), titles and links (OSC, DCS, ...), the rest.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


def label_rows(rows: Sequence[GoldRow], save: Callable[[list[GoldRow]], None]) -> None:
    """Ask for a label of every row that has none; ``save`` gets all rows after each key.

    Ends at the last row, at ``q``, or with the input. The judge's label is not shown.
    """
    changed = list(rows)
    todo = [place for place, row in enumerate(rows) if not row.human_label]
    keys = _keys()
    choices = ", ".join(f"{key} {name}" for key, name in KEYS.items())
    for number, place in enumerate(todo, start=1):
        row = changed[place]
        emit(
            f"\n-- {number} of {len(todo)} {'-' * 40}\n{plain(row.question)}\n\n"
            f"{plain(row.answer)}\n\n{choices}, {QUIT} quit"
        )
        key = next((key for key in keys if key in KEYS or key == QUIT), QUIT)
        if key == QUIT:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        changed[place] = row._replace(human_label=KEYS[key], when=now)
        save(changed)


def plain(text: str) -> str:
    """Return a model's text without what could drive a terminal or turn its writing direction."""
    from spillover.report.words import printable

    return _TURNED.sub("\ufffd", printable(_ESCAPES.sub("", text)))


def _keys() -> Iterator[str]:
    """Yield keys as they are pressed; in a pipe, letters as they come."""
    if not sys.stdin.isatty():
        while char := sys.stdin.read(1):
            yield char.lower()
        return
    import click

    while True:
        try:
            yield click.getchar().lower()
        except EOFError:
            return
