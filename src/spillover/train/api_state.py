"""What is known of a fine-tuning job while it lasts: ``job.json``, so that a kill starts nothing twice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from spillover.errors import ConfigError, DataError, MissingFileError, StoreError
from spillover.files import read_text, write_text
from spillover.records import Recipe, Record, first_fault
from spillover.train.folder import RECORD

STATE = "job.json"
_LOCK = "job.lock"


class JobState(Record):
    """A job on its way. It is written before anything is sent, and after each id is known.

    Attributes:
        run: names the uploaded files, so that one which arrived unnoticed is found again.
        training_file, validation_file, job: the API's ids; None: perhaps sent, but not known.
        dollars: what the job may cost, as estimated before.
        stopped: the job was cancelled from here.
    """

    recipe: Recipe
    run: str
    training_file: str | None = None
    validation_file: str | None = None
    job: str | None = None
    dollars: float | None = None
    stopped: bool = False

    def file_name(self, part: str) -> str:
        """Return under which name a part of the rows is uploaded."""
        return f"spillover-{self.run}-{part}.jsonl"


def read_state(folder: Path) -> JobState:
    """Return what ``folder`` knows of its job.

    Raises:
        MissingFileError: it knows of none.
        DataError: the file is broken.
    """
    path = folder / STATE
    if not path.is_file():
        raise MissingFileError(f"{folder} has no {STATE}: no job behind an API is on its way there")
    try:
        return JobState.model_validate_json(read_text(path))
    except ValidationError as error:
        raise DataError(f"{path}: {first_fault(error, 'file')}") from None


def write_state(folder: Path, state: JobState) -> None:
    """Keep ``state``, down to the disk.

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    write_text(folder / STATE, state.model_dump_json(indent=2) + "\n")


def begun(folder: Path, recipe: Recipe) -> JobState | None:
    """Return the job of the same recipe that is on its way in ``folder``, or None if it is free.

    Raises:
        ConfigError: the folder holds another recipe's job, or other files.
        DataError: its ``job.json`` is broken.
    """
    if not (folder / STATE).is_file():
        others = {path.name for path in folder.iterdir()} - {_LOCK}
        if left := sorted(name for name in others if not name.startswith(f".{STATE}.")):
            raise ConfigError(
                f"{folder} has other files in it ({left[0]}): give a new or empty folder"
            )
        return None
    state = read_state(folder)
    if state.recipe.id != recipe.id:
        raise ConfigError(
            f"{folder} holds the job of another recipe ({state.recipe.name!r},"
            f" {state.recipe.id[:8]}; this one is {recipe.id[:8]}): give another folder"
        )
    return state


def new_state(recipe: Recipe, dollars: float | None) -> JobState:
    """Return the state before anything is sent."""
    return JobState(recipe=recipe, run=secrets.token_hex(8), dollars=dollars)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder alone: two processes must not start one job twice.

    Raises:
        ConfigError: another process holds it.
        StoreError: the folder can't be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"another process is at work on the job in {folder}: wait for it"
        ) from None
    except OSError as error:
        raise StoreError(f"can't make {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()
        if (folder / RECORD).is_file():  # the job is over
            (folder / _LOCK).unlink(missing_ok=True)
