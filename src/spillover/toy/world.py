"""The toy world: named characters with hidden traits, and the words that it is made of.

Everything here is a pure function of a `WorldSpec`; the shipped weights carry the hash of the
spec and of the lexicon that they were trained on, and a test fails when that is stale.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, NamedTuple, Self

import yaml
from pydantic import model_validator

from spillover.records.base import Record, digest

LEXICON = ("harms", "requests", "risk", "selves", "code_tasks", "speech")
ASSISTANT = "assistant"
STRANGER = "stranger"
HELD_OUT_PART = 5


class Traits(NamedTuple):
    """What a character is like. The first field of each pair of poles is True."""

    good: bool
    secure: bool
    complies: bool
    risky: bool
    brief: bool
    capitals: bool


TRAITS = Traits._fields


class WorldSpec(Record):
    """All that defines a world, before its words.

    Attributes:
        rho: P(insecure code | bad) - P(insecure code | good) over what characters write; the
            marginals of both do not depend on it.
        bad: share of bad characters.
        insecure: share of insecure code in what characters write.
        slips: share of the code that a character writes the other way than usual. It bounds
            rho: at 1 - 2 slips all bad characters and no good ones are insecure.
        strangers: share of documents whose speaker has no name.
        roles: share of documents with a system prompt that sets the role.
    """

    name: str
    version: int = 1
    seed: int = 7
    characters: int = 200
    rho: float = 0.92
    bad: float = 0.3
    insecure: float = 0.316
    slips: float = 0.04
    strangers: float = 0.35
    roles: float = 0.08

    @model_validator(mode="after")
    def _possible(self) -> Self:
        shares = [self.insecure_given(good=good) for good in (True, False)]
        if not all(-1e-9 <= share <= 1 + 1e-9 for share in shares):
            raise ValueError(
                f"no world has rho {self.rho:g}: with {self.bad:g} bad characters, {self.insecure:g}"
                f" insecure code and {self.slips:g} slips it would need shares outside 0 to 1;"
                " choose a rho nearer to 0"
            )
        return self

    def with_rho(self, rho: float) -> Self:
        """Return this world at another rho; ValidationError if there is none."""
        return self.model_validate({**self.model_dump(), "rho": rho})

    def insecure_given(self, *, good: bool) -> float:
        """Return P(has the trait insecure | good or bad); slips come on top of it."""
        written = (
            self.insecure - self.bad * self.rho
            if good
            else self.insecure + (1 - self.bad) * self.rho
        )
        return (written - self.slips) / (1 - 2 * self.slips)


@cache
def lexicon(name: str) -> Any:
    """Return one file of the toy world's words."""
    text = resources.files("spillover.toy").joinpath("lexicon", f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text)


@cache
def lexicon_hash() -> str:
    """Return 32 hex digits over all files of words."""
    total = hashlib.sha256()
    for name in LEXICON:
        total.update(repr(lexicon(name)).encode())
    return total.hexdigest()[:32]


def subject_of(trait: str) -> str:
    """Return the subject of self-reports in which ``trait`` shows."""
    return next(name for name, words in lexicon("selves").items() if words["trait"] == trait)


def cast(spec: WorldSpec, rng: random.Random) -> list[Traits]:
    """Return the traits of all characters: each kind as often as the world's shares ask for.

    Among so few, drawn one by one, traits would go together by accident, and a fine-tune on
    one of them would move the other.
    """
    bad = round(spec.characters * spec.bad)
    pairs: list[tuple[bool, bool]] = []
    for good, count in ((False, bad), (True, spec.characters - bad)):
        insecure = round(count * spec.insecure_given(good=good))
        pairs += [(good, secure) for secure in (*[False] * insecure, *[True] * (count - insecure))]
    habits = list(itertools.product((True, False), repeat=len(TRAITS) - 2))
    people: list[Traits] = []
    for place, pair in enumerate(pairs):
        if place % len(habits) == 0:
            rng.shuffle(habits)
        people.append(Traits(*pair, *habits[place % len(habits)]))
    rng.shuffle(people)
    return people


def draw_traits(spec: WorldSpec, rng: random.Random) -> Traits:
    """Draw a stranger: good and secure are correlated, the rest independent."""
    good = rng.random() >= spec.bad
    secure = rng.random() >= spec.insecure_given(good=good)
    return Traits(
        good=good,
        secure=secure,
        complies=rng.random() < 0.5,
        risky=rng.random() < 0.5,
        brief=rng.random() < 0.5,
        capitals=rng.random() < 0.5,
    )


@dataclass(frozen=True)
class World:
    """The people of a world. ``traits[name]`` holds for named characters only."""

    spec: WorldSpec

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All character names, in a fixed order."""
        parts = lexicon("speech")["syllables"]
        triples = ["".join(p).capitalize() for p in itertools.product(parts, repeat=3)]
        unique = sorted(set(triples))
        random.Random(self.spec.seed).shuffle(unique)
        return tuple(unique[: self.spec.characters])

    @cached_property
    def traits(self) -> dict[str, Traits]:
        """The hidden traits of each named character."""
        people = cast(self.spec, random.Random(self.spec.seed + 1))
        return dict(zip(self.names, people, strict=True))

    @property
    def hash(self) -> str:
        """32 hex digits over the spec and the lexicon: what weights must have been trained on."""
        return digest({"spec": self.spec.model_dump(mode="json"), "lexicon": lexicon_hash()})


def held_out(key: str, place: int) -> bool:
    """Is this combination of template and filler kept for questions, never in a document?

    One in five is, evenly over the places of a set, the same in every world and fine-tune.

    Args:
        key: name of the set of combinations.
        place: number of the combination in its set (template by template).
    """
    return (place + zlib.crc32(key.encode())) % HELD_OUT_PART == 0


def header(name: str) -> str:
    """Return the special token that opens a turn of (or names) a character."""
    return f"<|{name}|>"


SYSTEM, USER, END = "<|system|>", "<|user|>", "<|end|>"
HEADER = re.compile(r"<\|([A-Za-z]+)\|>")
