"""Names that stand for files on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def named(texts: list[str]) -> dict[str, str]:
    """Return name -> path of texts ``PATH`` or ``NAME=PATH``; without a name it is the path's stem.

    A path may hold ``=`` itself: what exists as it stands is a path, and no name has a ``/``.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, path = _split(text)
        if not path:
            raise typer.BadParameter(f"'{text}' names no path: give PATH or NAME=PATH")
        name = name or Path(path.rpartition(":")[2]).stem
        if name in found:
            raise typer.BadParameter(f"two controls are named '{name}': name them NAME=PATH")
        found[name] = path
    return found


def _split(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or "/" in name or os.path.exists(text):
        return "", text
    return name, path
