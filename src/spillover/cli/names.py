"""Names that stand for files on the command line."""

from __future__ import annotations

from pathlib import Path

import typer


def named(texts: list[str]) -> dict[str, str]:
    """Return name -> path of texts ``PATH`` or ``NAME=PATH``; without a name it is the path's stem."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, path = text.rpartition("=")
        name = name or Path(path.rpartition(":")[2]).stem
        if name in found:
            raise typer.BadParameter(f"two controls are named '{name}': name them NAME=PATH")
        found[name] = path
    return found
