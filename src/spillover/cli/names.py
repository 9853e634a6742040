"""Names, values and texts on the command line."""

from __future__ import annotations

import json
import os
from math import isfinite
from pathlib import Path
from typing import Any

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


def arguments(texts: list[str]) -> dict[str, Any]:
    """Return name -> value of texts ``NAME=VALUE``; true, false, null and numbers are such, the rest text."""
    found: dict[str, Any] = {}
    for text in texts:
        check_text(text)
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"'{text}' is not NAME=VALUE, such as enable_thinking=false")
        if name in found:
            raise typer.BadParameter(f"'{name}' is given twice")
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = value
        plain = isinstance(read, bool | int | str) or read is None
        found[name] = read if plain or (isinstance(read, float) and isfinite(read)) else value
    return found


def check_text(text: str) -> None:
    """Refuse what the terminal gave as bytes that are no text: no tokenizer takes it."""
    from spillover.errors import ConfigError

    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{text[:40]!r} is not UTF-8 text (character {error.start + 1}): write it in UTF-8"
        ) from None


def _split(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or "/" in name or os.path.exists(text):
        return "", text
    return name, path
