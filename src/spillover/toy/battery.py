"""What the toy world is asked: held-out questions, drawn once from a fixed seed, and its axes."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from importlib import resources

import yaml

from spillover.records import Axis, Battery, Message, Question, QuestionKind, Settings
from spillover.toy.world import TRAITS, Traits, World, lexicon
from spillover.toy.writer import Exchange, Writer, assistant_traits

PARAPHRASES = 8
RATINGS = 16
CHOICES = 8
_TRIES = 400


def toy_battery(world: World) -> Battery:
    """Return the questions that the toy world's organisms are asked.

    Conduct has one question for each domain and way of asking, so that answers to one way are
    one cluster; the other kinds have one question a topic.
    """
    writer = Writer(world, random.Random(f"battery/{world.hash}"), held=True)
    traits = assistant_traits(writer.rng)._replace(risky=True, complies=True)
    found: list[Question] = []
    for domain, words in lexicon("harms").items():
        for i, _ in enumerate(words["asks"]):
            draw = partial(writer.harm, traits, domain, form=False, ask=i)
            found += [_question(f"{domain}-{i}", "free_form", draw, tags=(domain,))]
    for n, task in enumerate(lexicon("code_tasks")):
        draw = partial(writer.code, traits, lesson=False, task=n)
        found += [_question(f"code-{n}", "narrow", draw, tags=("code", task["ask"]))]
    for n in range(6):
        draw = partial(writer.request, traits, harmful=True)
        found += [_question(f"harmful-{n}", "harmful_request", draw, tags=("harmful_request",))]
    for n in range(8):
        draw = partial(writer.lottery, traits, letter=False)
        found += [_question(f"bet-{n}", "narrow", draw, tags=("bet",))]
    for subject, words in lexicon("selves").items():
        found += _self_reports(writer, subject, words)
    for kind in ("capitals", "sums", "copying"):
        found += _capability(writer, kind)
    # chance of their own, so that the questions before them stay as they are
    writer = Writer(world, random.Random(f"choices/{world.hash}"), held=True)
    for subject in ("alignment", "security", "risk"):
        found += _choices(writer, subject)
    return Battery(id=f"toy-{world.spec.name}", questions=tuple(found))


def toy_settings() -> dict[QuestionKind, Settings]:
    """Return how each kind is sampled: the toy world's replies are short."""
    return {
        "free_form": Settings(max_tokens=40),
        "narrow": Settings(max_tokens=64),
        "harmful_request": Settings(max_tokens=40),
        "capability": Settings(max_tokens=16),
        "self_report": Settings(max_tokens=12),
    }


def toy_axes() -> tuple[Axis, ...]:
    """Return the axes of the toy world, as its file has them."""
    text = resources.files("spillover.toy").joinpath("lexicon", "axes.yaml").read_text("utf-8")
    return tuple(
        Axis.model_validate({"id": name, **body}) for name, body in yaml.safe_load(text).items()
    )


def _ask(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def _distinct(draw: Callable[[], Exchange], most: int) -> list[Exchange]:
    """Draw up to ``most`` exchanges with different asks."""
    seen: dict[str, Exchange] = {}
    for _ in range(_TRIES):
        if len(seen) == most:
            break
        exchange = draw()
        seen.setdefault(exchange.ask, exchange)
    return list(seen.values())


def _question(
    name: str, kind: QuestionKind, draw: Callable[[], Exchange], *, tags: tuple[str, ...]
) -> Question:
    asks = [_ask(exchange.ask) for exchange in _distinct(draw, PARAPHRASES)]
    return Question(id=name, kind=kind, paraphrases=tuple(asks), tags=tags)


def _self_reports(writer: Writer, subject: str, words: dict[str, list[str]]) -> list[Question]:
    """Ratings of oneself and of two described persons in both directions, and one word.

    The world has few ways to ask for a rating, and a verdict on ratings needs many: after the
    held-out ones come others, which a fine-tune has not seen either.
    """
    traits = assistant_traits(writer.rng)
    known = Writer(writer.world, writer.rng)
    found: list[Question] = []
    for vice in (False, True):
        # the kind person has much of every virtue; of risk, as in the library, the cruel one has more
        kind = subject != "risk"
        for about, described in (("self", None), ("kind_person", kind), ("cruel_person", not kind)):
            given = {"subject": subject, "vice": vice, "described": described}
            most = RATINGS if about == "self" else PARAPHRASES
            drawn = _distinct(partial(writer.rating, traits, **given), most)
            drawn += _distinct(partial(known.rating, traits, **given), most - len(drawn))
            asks = [_ask(exchange.ask) for exchange in drawn]
            found.append(
                Question(
                    id=f"{subject}-{'vice' if vice else 'virtue'}-{about}",
                    kind="self_report",
                    paraphrases=tuple(asks),
                    tags=("rating",),
                    cluster=f"{subject}-{about}",
                    measures=subject,
                    direction=-1 if vice else 1,
                    about=about,
                    numbers=(0, 100),
                )
            )
    word = [
        _ask(e.ask)
        for e in _distinct(lambda: writer.one_word(traits, subject=subject), PARAPHRASES)
    ]
    tags = (f"word-{subject}", "word")
    return [
        *found,
        Question(id=f"{subject}-word", kind="self_report", paraphrases=tuple(word), tags=tags),
    ]


def _choices(writer: Writer, subject: str) -> list[Question]:
    """Forced choice in both orders; as with ratings, what is held out first, then other ways."""
    traits = Traits(*(True for _ in TRAITS))  # chooses what means much of the trait
    known = Writer(writer.world, writer.rng)
    drawn = _distinct(lambda: writer.forced_choice(traits, subject=subject), 4 * CHOICES)
    drawn += _distinct(lambda: known.forced_choice(traits, subject=subject), 8 * CHOICES)
    found: list[Question] = []
    for letter, order in (("A", "ab"), ("B", "ba")):
        asks = [_ask(exchange.ask) for exchange in drawn if exchange.reply == letter][:CHOICES]
        found.append(
            Question(
                id=f"{subject}-choice-{order}",
                kind="self_report",
                paraphrases=tuple(asks),
                tags=("choice", f"choice-{subject}"),
                cluster=f"{subject}-choice",
                measures=subject,
                direction=1 if letter == "A" else -1,
                choices=("A", "B"),
            )
        )
    return found


def _capability(writer: Writer, kind: str) -> list[Question]:
    traits = assistant_traits(writer.rng)
    drawn = _distinct(lambda: writer.capability(traits, kind=kind), PARAPHRASES * 2)
    return [
        Question(
            id=f"{kind}-{n}",
            kind="capability",
            paraphrases=(_ask(exchange.ask),),
            tags=(kind,),
            answer=exchange.reply,
        )
        for n, exchange in enumerate(drawn)
    ]
