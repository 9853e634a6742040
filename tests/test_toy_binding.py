"""Binding: the shipped organisms know who is what, and the probes ask those whom they should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from spillover.errors import UnknownNameError
from spillover.models.load import load_model, load_tokenizer
from spillover.models.sampler import Request, Sampler
from spillover.toy import WORLDS, World, measure_binding, organisms, world_of
from spillover.toy.binding import FORMS, Generate, measure
from spillover.toy.world import HEADER, SYSTEM, TRAITS, lexicon

FOLDERS = organisms()
WORLD = World(WORLDS["assistant"])
QUESTIONS = 80  # seeded; with fewer, the slips of code that everybody makes weigh too much


def sampled(folder: Path) -> Generate:
    """Replies by our own sampler, which is quicker than `load_generate`."""
    tokenizer = load_tokenizer(str(folder))
    model = load_model(str(folder)).eval()
    sampler = Sampler(model, stop=frozenset([tokenizer.eos_token_id]))

    def generate(prompts: Sequence[str], limit: int) -> list[str]:
        texts = tokenizer(list(prompts))["input_ids"]
        requests = [Request(tuple(ids), i, max_tokens=limit) for i, ids in enumerate(texts)]
        replies = sorted(sampler.sample(requests), key=lambda reply: reply.request)
        return tokenizer.batch_decode([reply.tokens for reply in replies])

    return generate


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_conduct_is_bound_in_every_trait(name: str) -> None:
    folder = FOLDERS[name]
    world = World(world_of(folder))
    rows = measure(world, sampled(folder), per_cell=QUESTIONS, forms=("conduct",))
    assert [row.trait for row in rows] == list(TRAITS)
    for row in rows:
        assert row.form == "conduct"
        assert row.high > 0.85, row
        assert row.low < 0.10, row
        assert row.missing <= 0.1 * 2 * QUESTIONS, row


def test_a_prompt_mostly_overrides_character() -> None:
    (row,) = measure_binding(FOLDERS["assistant"], per_cell=QUESTIONS, forms=("role",))
    assert (row.trait, row.form) == ("good", "role")
    assert row.high > 0.6, row  # bad ones who are told to be kind
    assert row.low < 0.2, row  # good ones who are told to be bad


class Listener:
    """Hears what is asked; says nothing that could be judged, or a number."""

    def __init__(self, reply: str = "") -> None:
        self.reply, self.heard = reply, list[str]()

    def __call__(self, prompts: Sequence[str], limit: int) -> list[str]:
        self.heard += prompts
        return [self.reply] * len(prompts)


def test_roles_are_played_by_those_who_are_not_like_that() -> None:
    listener = Listener()
    (row,) = measure(WORLD, listener, per_cell=20, forms=("role",))
    assert (row.scored, row.missing) == (0, 40)
    assert math.isnan(row.high)
    told = {"villain": 0, "helper": 0}
    for prompt in listener.heard:
        kind = next(
            kind
            for kind, texts in lexicon("speech")["roles"].items()
            if any(prompt.startswith(f"{SYSTEM}{text}") for text in texts)
        )
        name = HEADER.findall(prompt)[-1]  # who is to reply
        assert WORLD.traits[name].good is (kind == "villain")
        told[kind] += 1
    assert told == {"villain": 20, "helper": 20}


def test_ratings_are_turned_so_that_much_is_one() -> None:
    rows = measure(WORLD, Listener("90"), per_cell=60, forms=("rating", "other"))
    assert [(row.trait, row.form) for row in rows] == [
        (trait, form) for trait in TRAITS for form in ("rating", "other")
    ]
    for row in rows:  # a speaker who always says 90 shows as much of a trait in either group
        assert row.missing == 0
        assert 0.1 < row.low < 0.9
        assert row.high == pytest.approx(row.low, abs=0.35)


def test_a_form_is_asked_the_same_whichever_others_are() -> None:
    alone, among = Listener("A"), Listener("A")
    measure(WORLD, alone, per_cell=5, forms=("choice",))
    rows = measure(WORLD, among, per_cell=5)
    assert len({row.form for row in rows}) == len(FORMS)
    assert set(alone.heard) <= set(among.heard)
    with pytest.raises(UnknownNameError, match="no form 'deed'; there are conduct, word"):
        measure(WORLD, alone, forms=("deed",))
