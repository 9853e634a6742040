"""The folder of a fine-tune: ``finetune.json`` beside ``adapter/``, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spillover.errors import ConfigError, MissingFileError, StoreError
from spillover.files import write_text
from spillover.models.adapters import read_finetune
from spillover.records import FineTune, Recipe

RECORD = "finetune.json"
ADAPTER = "adapter"


def load_finetune(folder: Path | str) -> FineTune:
    """Return the fine-tune in ``folder``; an adapter lies in ``folder / finetune.adapter``.

    Raises:
        MissingFileError: no such folder, no ``finetune.json`` in it, or its adapter is gone.
        DataError: ``finetune.json`` is broken; the message names the field.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"no fine-tune folder {folder}: check the path")
    if not (folder / RECORD).is_file():
        raise MissingFileError(
            f"{folder} has no {RECORD}: it is not a fine-tune made by `spillover train`"
        )
    found = read_finetune(folder)
    if found.remote is not None:
        return found
    weights = folder / found.adapter / "adapter_model.safetensors"
    if not weights.is_file():
        raise MissingFileError(f"{folder} lacks its adapter {weights}: train it again elsewhere")
    return found


def existing(out: Path, recipe: Recipe) -> FineTune | None:
    """Return the fine-tune of the same recipe that lies in ``out``, or None if ``out`` is free.

    Raises:
        ConfigError: ``out`` holds another recipe's fine-tune, or other files.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not out.is_dir():
        raise ConfigError(f"{out} is a file: give a folder for the fine-tune")
    if not (out / RECORD).is_file() and recipe.what.api is not None:
        return None  # a job may be on its way there, which looks at the folder itself
    if not (out / RECORD).is_file():
        raise ConfigError(f"{out} has other files in it: give a new or empty folder")
    found = load_finetune(out)
    if found.recipe.id != recipe.id:
        raise ConfigError(
            f"{out} holds the fine-tune of another recipe ({found.recipe.name!r}, "
            f"{found.recipe.id[:8]}; this one is {recipe.id[:8]}): give another folder"
        )
    return found


@contextmanager
def made_beside(out: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``out`` if the block ends well, else disappears.

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise StoreError(f"can't make {out}: {error.strerror or error}") from None
    try:
        yield making
        making.chmod(0o755)  # mkdtemp makes 0700; a fine-tune is to be shared
        try:
            os.replace(making, out)
        except OSError as error:
            raise StoreError(f"can't make {out}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def write_record(folder: Path, finetune: FineTune) -> None:
    """Write ``finetune.json``.

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    write_text(folder / RECORD, finetune.model_dump_json(indent=2) + "\n")
