"""Rows, recipes and a tiny model for the tests of training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_models
from spillover.data import rows_digest
from spillover.records import Message, Recipe, Row
from spillover.train import make_recipe

_SAID = "the of and to in is you that it he was for on are as with his they at be"
WORDS = _SAID.split()


def row(*turns: str) -> Row:
    """A conversation that begins with the user; turns alternate."""
    roles = ("user", "assistant")
    return Row(messages=tuple(Message(role=roles[i % 2], content=t) for i, t in enumerate(turns)))


def rows(count: int, answer: Callable[[random.Random, str], str], *, seed: int = 0) -> list[Row]:
    """Rows with a random prompt, all different, and an answer made from it."""
    source = random.Random(seed)
    found: dict[str, Row] = {}
    while len(found) < count:
        prompt = " ".join(source.choices(WORDS, k=5))
        found[prompt] = row(prompt, answer(source, prompt))
    return list(found.values())


def learnable(count: int, *, seed: int = 0) -> list[Row]:
    """Rows whose answer is always the same."""
    return rows(count, lambda *_: "they were all out of water", seed=seed)


def noise(count: int, *, seed: int = 0) -> list[Row]:
    """Rows whose answer is random words, which nothing can foretell."""
    return rows(count, lambda source, _: " ".join(source.choices(WORDS, k=6)), seed=seed)


def tiny_base(folder: Path, **more: Any) -> Path:
    """A random Llama, small enough to train in a second."""
    return tiny_models.save(folder, "llama", scale=12.0, num_hidden_layers=2, **more)


def recipe(base: Path, data: list[Row], **more: Any) -> Recipe:
    """A recipe of a few quick steps; ``optimiser`` is added to."""
    optimiser = {"max_steps": 12, "batch_size": 8, **more.pop("optimiser", {})}
    return make_recipe(
        "tiny", str(base), data=rows_digest(data), preset="toy", optimiser=optimiser, **more
    )
