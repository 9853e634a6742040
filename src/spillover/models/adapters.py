"""Where an adapter lies: in a folder of its own, or in that of a fine-tune with its record."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from spillover.errors import DataError, MissingFileError
from spillover.files import read_text
from spillover.records import FineTune, first_fault


def adapter_folder(text: str) -> Path:
    """Return the folder with ``adapter_config.json`` that a fine-tune or adapter folder means.

    Raises:
        MissingFileError: no such folder, or no adapter in it.
        DataError: its ``finetune.json`` is broken.
    """
    path = Path(text).expanduser()
    if not path.is_dir():
        raise MissingFileError(f"no adapter folder {path}: check the path")
    if (path / "finetune.json").is_file():
        made = read_finetune(path)
        if made.remote is not None:
            raise MissingFileError(
                f"{path} holds no adapter: its fine-tune lies behind an API, as"
                f" remote:{made.remote.model}"
            )
        path = path / made.adapter
    if not (path / "adapter_config.json").is_file():
        raise MissingFileError(f"{path} has no adapter_config.json: it is not a PEFT adapter")
    return path


def read_finetune(path: Path) -> FineTune:
    """Return the record of the fine-tune in folder ``path``.

    Raises:
        DataError: it is broken; the message names the field.
    """
    try:
        return FineTune.model_validate_json(read_text(path / "finetune.json"))
    except ValidationError as error:
        raise DataError(f"{path / 'finetune.json'}: {first_fault(error, 'file')}") from None
