"""Small, careful file work: write whole or not at all, read text with good errors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from spillover.errors import MissingFileError, StoreError


def read_text(path: Path) -> str:
    """Return the UTF-8 text of ``path``.

    Raises:
        MissingFileError: there is no such file, or it can't be read as UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}: check the path") from None
    except IsADirectoryError:
        raise MissingFileError(f"{path} is a folder, not a file") from None
    except UnicodeDecodeError as error:
        raise MissingFileError(f"{path} is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise MissingFileError(f"can't read {path}: {error.strerror}") from None


def check_file(path: Path) -> None:
    """Raise `StoreError` where no file can be written: ``path`` is a folder, or lies in a file."""
    if path.is_dir():
        raise StoreError(f"can't write {path}: it is a folder; name a file")
    if path.parent.exists() and not path.parent.is_dir():
        raise StoreError(f"can't write {path}: {path.parent} is a file, not a folder")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` whole or not at all (temporary file, fsync, rename).

    A special file such as a pipe or a device is written to directly.

    Raises:
        StoreError: the disk is full or the folder is not writable; ``path`` is unchanged.
    """
    write_texts({path: text})


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write texts that belong together, all or none; each as `write_text` does.

    Everything that can fail for want of room comes before the first rename. Several renames are
    not one, so the earlier versions of all files but the first are removed before it: a kill in
    between leaves files missing, never new ones beside old ones.

    Raises:
        StoreError: the disk is full or a folder is not writable; all files are unchanged.
    """
    staged: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, text in texts.items():
            if path.exists() and not path.is_file():
                with path.open("w", encoding="utf-8") as stream:
                    stream.write(text)
            else:
                staged.append((_stage(path, text), path))
        for _, path in staged[1:]:
            path.unlink(missing_ok=True)
        while staged:
            temporary, path = staged[0]
            os.replace(temporary, path)
            del staged[0]
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror or error}") from None
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _stage(path: Path, text: str) -> Path:
    """Write ``text`` to a temporary file beside ``path``, down to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # mkstemp makes 0600; a report is to be shared
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
