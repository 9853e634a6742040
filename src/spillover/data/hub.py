"""Hugging Face data sets as training rows: by name, or saved in a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spillover.data.plain import arrow_items
from spillover.errors import DataError, MissingExtraError, MissingFileError

HUB = "hf:"
_FORM = f"{HUB}OWNER/NAME, {HUB}OWNER/NAME/CONFIG or {HUB}FOLDER, each perhaps with :SPLIT"
_BATCH = 1000


class HubName(NamedTuple):
    """A data set's name or folder, its configuration if there are several, and the split."""

    name: str
    config: str | None
    split: str


def is_hub(text: str) -> bool:
    """Whether a name is that of a Hugging Face data set."""
    return text.startswith(HUB)


def parse_hub(text: str) -> HubName:
    """Return the parts of ``hf:OWNER/NAME[/CONFIG][:SPLIT]`` or ``hf:FOLDER[:SPLIT]``.

    Raises:
        DataError: it is neither.
    """
    body = text.removeprefix(HUB)
    name, colon, split = body.rpartition(":")
    if not colon or (body and Path(body).is_dir()):
        name, split = body, "train"
    if name and Path(name).is_dir():
        return HubName(name, None, split)
    parts = name.split("/")
    if not all(parts) or not split or len(parts) > 3:
        raise DataError(f"{text!r} is no name of a Hugging Face data set: write {_FORM}")
    return HubName("/".join(parts[:2]), parts[2] if len(parts) == 3 else None, split)


def hub_items(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a Hugging Face data set with their numbers, from 1.

    Raises:
        DataError: the name is none, or the data set has no such split.
        MissingFileError: there is no such data set, or it can't be fetched.
        MissingExtraError: the library ``datasets`` is not installed.
    """
    wanted = parse_hub(text)
    try:
        # read when huggingface_hub is imported
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        import datasets
    except ImportError:
        raise MissingExtraError(
            f"{text} needs the library datasets: pip install 'spillover[local]'"
        ) from None
    with _quiet(datasets):
        found = _load(datasets, wanted, text)
    batches = found.with_format("arrow").iter(batch_size=_BATCH)
    yield from enumerate(arrow_items(batches), start=1)


def _load(datasets: Any, wanted: HubName, text: str) -> Any:
    folder = Path(wanted.name)
    saved = any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    try:
        found = datasets.load_from_disk(wanted.name) if saved else None
        if found is None:
            found = datasets.load_dataset(wanted.name, wanted.config, split=wanted.split)
    except Exception as error:  # network, hub and file errors, of many libraries
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise MissingFileError(
            f"can't load the Hugging Face data set {text}: {reason}; write {_FORM}"
        ) from None
    if not isinstance(found, dict):
        return found
    if wanted.split not in found:
        raise DataError(
            f"{text} has no split {wanted.split!r}: there are {', '.join(map(str, found))}"
        )
    return found[wanted.split]


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Silence the libraries' progress bars and word of each retry, which would mix with ours."""
    logger = logging.getLogger("huggingface_hub")
    shown, level = datasets.is_progress_bar_enabled(), logger.level
    datasets.disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            datasets.enable_progress_bars()
