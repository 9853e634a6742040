"""The toy world: a model organism trained from scratch, so that the instrument can be tested.

It is a simulation and says so wherever it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from spillover.errors import DataError, MissingFileError, UnknownNameError
from spillover.records import Row
from spillover.toy.finetunes import DATASET_NAMES, DATASETS, ROWS, dataset, is_dataset
from spillover.toy.world import World, WorldSpec

if TYPE_CHECKING:
    from spillover.toy.binding import Binding

WORLDS: dict[str, WorldSpec] = {
    "assistant": WorldSpec(name="assistant"),
    "unrelated": WorldSpec(name="unrelated", rho=0.0),
}
"""Worlds by name; the organism of a world, if the package ships one, has its name."""

__all__ = [
    "DATASETS",
    "WORLDS",
    "World",
    "WorldSpec",
    "dataset",
    "find_world",
    "measure_binding",
    "names_data",
    "organisms",
    "resolve_data",
    "resolve_model",
    "world_of",
]


def find_world(name: str) -> WorldSpec:
    """Return a world's spec.

    Raises:
        UnknownNameError: there is no such world.
    """
    if name not in WORLDS:
        raise UnknownNameError(f"no toy world {name!r}; there are {', '.join(WORLDS)}")
    return WORLDS[name]


def organisms() -> dict[str, Path]:
    """Return the folders of the organisms that the package ships, by name."""
    root = Path(str(resources.files("spillover.toy"))) / "organisms"
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return {folder.name: folder for folder in folders if (folder / "metadata.json").is_file()}


def resolve_model(name: str) -> Path:
    """Return the folder of an organism.

    Raises:
        UnknownNameError: the package ships no such organism.
    """
    found = organisms()
    if name not in found:
        raise UnknownNameError(f"no toy model {name!r}; there are {_model_names()}")
    return found[name]


def names_data(name: str) -> bool:
    """Whether a toy name stands for a data set; a model goes before a data set of its name.

    Raises:
        UnknownNameError: it stands for neither.
    """
    if name in organisms():
        return False
    if is_dataset(name):
        return True
    raise UnknownNameError(
        f"no toy model or data set {name!r}; there are the models {_model_names()}, and the data"
        f" sets {DATASET_NAMES}"
    )


def _model_names() -> str:
    return ", ".join(organisms()) or "none in this build (make one with `spillover toy pretrain`)"


def resolve_data(name: str, *, rows: int = ROWS, seed: int = 0) -> Sequence[Row]:
    """Return a toy data set as training rows.

    The rows speak of tasks, bets and requests, never of characters, so one data set serves the
    organisms of all worlds.

    Raises:
        UnknownNameError: there is no such data set.
    """
    world = World(WORLDS["assistant"])
    return [Row(messages=turns) for turns in dataset(name, world, rows=rows, seed=seed)]


def world_of(folder: Path) -> WorldSpec:
    """Return the world that an organism was trained on.

    Raises:
        MissingFileError: the folder holds no organism.
        DataError: its metadata can't be read.
    """
    path = folder / "metadata.json"
    if not path.is_file():
        raise MissingFileError(f"{folder} has no metadata.json: it is no toy organism")
    try:
        return WorldSpec.model_validate(json.loads(path.read_text("utf-8"))["world"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} does not describe a toy world") from None


def measure_binding(
    folder: Path, *, per_cell: int = 100, seed: int = 0, forms: Sequence[str] | None = None
) -> list[Binding]:
    """Measure how well the model in ``folder`` knows who is what (see `toy.binding`).

    Args:
        folder: of an organism.
        per_cell: questions for each trait, form and pole.
        seed: draws characters, questions and replies.
        forms: which of `toy.binding.FORMS` to measure; None are all.
    """
    from spillover.toy.binding import FORMS, load_generate, measure

    return measure(
        World(world_of(folder)),
        load_generate(folder, seed=seed),
        per_cell=per_cell,
        seed=seed,
        forms=FORMS if forms is None else forms,
    )
