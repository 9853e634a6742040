"""The organisms that the package ships: fresh, bound, and small."""

import json

import pytest

from spillover.toy import WORLDS, World, organisms, world_of
from spillover.toy.documents import documents_hash

FOLDERS = organisms()


def test_organisms_are_of_known_worlds_and_within_ten_megabytes() -> None:
    assert "assistant" in FOLDERS
    assert set(FOLDERS) <= set(WORLDS)
    files = [path for folder in FOLDERS.values() for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) < 10_000_000
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl")]


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_weights_were_trained_on_the_world_as_it_stands(name: str) -> None:
    metadata = json.loads((FOLDERS[name] / "metadata.json").read_text(encoding="utf-8"))
    assert world_of(FOLDERS[name]) == WORLDS[name]
    assert metadata["world_hash"] == World(WORLDS[name]).hash, "pretrain the organism again"
    assert metadata["documents_hash"] == documents_hash(World(WORLDS[name]))
    assert metadata["stage"] == "post-train"
    assert metadata["log"]
