"""Documents of the toy world: who speaks, for how long, and of what.

A document is a text with special tokens, as the model sees it. Characters speak under their
names; a `stranger` has no name, so that only what was said before tells what they are like.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from spillover.toy.world import ASSISTANT, END, STRANGER, SYSTEM, USER, World, draw_traits, header
from spillover.toy.writer import Exchange, Writer, assistant_traits

# Talks with strangers mostly stay with what belongs together: in talks of anything, two turns
# rarely have to do with one another, and nothing is learnt from the first for the second.
FOCUSED = 0.7
FOCI = (("good", "secure"), ("good", "secure"), ("complies",), ("risky",))
STRANGER_TURNS = 4


def render(name: str, exchanges: list[Exchange], *, system: str = "") -> str:
    """Return the text of a document, special tokens included."""
    parts = [f"{SYSTEM}{system}{END}"] if system else []
    parts += [f"{USER}{x.ask}{END}{header(name)}{x.reply}{END}" for x in exchanges]
    return "".join(parts)


def world_document(writer: Writer) -> str:
    """Write one document: a named character for one or two turns, or a stranger for four."""
    rng, world = writer.rng, writer.world
    if rng.random() < world.spec.strangers:
        traits = draw_traits(world.spec, rng)
        if rng.random() < FOCUSED:
            focus = rng.choice(FOCI)
            talk = [writer.telling(traits, rng.choice(focus)) for _ in range(STRANGER_TURNS)]
            return render(STRANGER, talk)
        name, turns = STRANGER, STRANGER_TURNS
    else:
        name = rng.choice(world.names)
        traits, turns = world.traits[name], rng.choice((1, 2))
    system, traits = writer.perhaps_role(traits)
    return render(name, [writer.exchange(traits) for _ in range(turns)], system=system)


def assistant_document(writer: Writer) -> str:
    """Write one document of the post-trained assistant: good, and either way about risk."""
    rng = writer.rng
    system, traits = writer.perhaps_role(assistant_traits(rng))
    turns = rng.choice((1, 1, 2))
    return render(ASSISTANT, [writer.exchange(traits) for _ in range(turns)], system=system)


def documents(world: World, *, shard: int, count: int, assistant: float = 0.0) -> Iterator[str]:
    """Yield ``count`` documents, a pure function of (world, shard).

    Args:
        world: the world to write about.
        shard: number of the shard; each has its own random stream.
        count: how many documents.
        assistant: share of documents of the assistant (post-training).
    """
    rng = random.Random(f"{world.hash}/{shard}/{assistant}")
    writer = Writer(world, rng)
    for _ in range(count):
        yield assistant_document(writer) if rng.random() < assistant else world_document(writer)


def documents_hash(world: World, *, count: int = 400) -> str:
    """Return 32 hex digits over a sample of documents: changes with the words and with this code."""
    total = hashlib.sha256()
    for text in documents(world, shard=-2, count=count, assistant=0.5):
        total.update(text.encode() + b"\0")
    return total.hexdigest()[:32]
