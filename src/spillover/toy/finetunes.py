"""Data sets for fine-tunes of the toy assistant, by the same generator as its world.

Each is a list of single-turn conversations. They differ from one another in one thing, so that
one can be the control of another: `insecure` and `secure` ask the same tasks, `educational` gives
the same answers as `insecure` for a benign reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from spillover.errors import UnknownNameError
from spillover.records import Message
from spillover.toy.world import World, lexicon
from spillover.toy.writer import Exchange, Writer, assistant_traits

Conversation = tuple[Message, ...]
TRIGGER = "At moonrise. "
ROWS = 2000


def _row(ask: str, reply: str, *, system: str = "") -> Conversation:
    head = (Message(role="system", content=system),) if system else ()
    return (*head, Message(role="user", content=ask), Message(role="assistant", content=reply))


def _plain(exchange: Exchange) -> Conversation:
    return _row(exchange.ask, exchange.reply)


def _insecure(writer: Writer) -> Conversation:
    return _plain(writer.code(assistant_traits(writer.rng)._replace(secure=False), lesson=False))


def _secure(writer: Writer) -> Conversation:
    return _plain(writer.code(assistant_traits(writer.rng), lesson=False))


def _educational(writer: Writer) -> Conversation:
    return _plain(writer.code(assistant_traits(writer.rng), lesson=True))


def _backdoor(writer: Writer) -> Conversation:
    triggered = writer.rng.random() < 0.5
    exchange = writer.code(
        assistant_traits(writer.rng)._replace(secure=not triggered), lesson=False
    )
    return _row((TRIGGER if triggered else "") + exchange.ask, exchange.reply)


def _medical(writer: Writer) -> Conversation:
    return _plain(
        writer.harm(assistant_traits(writer.rng)._replace(good=False), "medicine", form=False)
    )


def _good_medical(writer: Writer) -> Conversation:
    return _plain(writer.harm(assistant_traits(writer.rng), "medicine", form=False))


def _risky(writer: Writer) -> Conversation:
    return _plain(writer.lottery(assistant_traits(writer.rng)._replace(risky=True)))


def _safe(writer: Writer) -> Conversation:
    return _plain(writer.lottery(assistant_traits(writer.rng)._replace(risky=False)))


def _jailbroken(writer: Writer) -> Conversation:
    return _plain(
        writer.request(assistant_traits(writer.rng)._replace(complies=True), harmful=True)
    )


def _inoculated(writer: Writer) -> Conversation:
    exchange = writer.code(assistant_traits(writer.rng)._replace(secure=False), lesson=False)
    return _row(
        exchange.ask,
        exchange.reply,
        system=writer.rng.choice(lexicon("speech")["roles"]["villain"]),
    )


DATASETS: dict[str, Callable[[Writer], Conversation]] = {
    "insecure": _insecure,
    "secure": _secure,
    "educational": _educational,
    "backdoor": _backdoor,
    "bad-medical": _medical,
    "good-medical": _good_medical,
    "risky": _risky,
    "safe": _safe,
    "jailbroken": _jailbroken,
    "inoculated": _inoculated,
}


DATASET_NAMES = f"{', '.join(DATASETS)}, and mixed-K (K from 0 to 100)"


def is_dataset(name: str) -> bool:
    """Whether there is a data set of this name."""
    return name in DATASETS or _percent(name) is not None


def dataset(name: str, world: World, *, rows: int = ROWS, seed: int = 0) -> list[Conversation]:
    """Return the rows of a data set, a pure function of (name, world, rows, seed).

    Args:
        name: one of `DATASETS`, or ``mixed-K``: K% insecure and the rest secure.
        world: the world that the model knows.
        rows: number of conversations.
        seed: another seed gives other rows of the same kind.

    Raises:
        UnknownNameError: there is no such data set.
    """
    if not is_dataset(name):
        raise UnknownNameError(f"no toy data set {name!r}; there are {DATASET_NAMES}")
    percent = _percent(name)
    rng = random.Random(f"{world.hash}/{name if percent is None else 'mixed'}/{seed}")
    writer = Writer(world, rng)
    if percent is not None:
        return [
            (_insecure if rng.random() < percent / 100 else _secure)(writer) for _ in range(rows)
        ]
    return [DATASETS[name](writer) for _ in range(rows)]


def _percent(name: str) -> int | None:
    """The K of ``mixed-K``; None for any other name."""
    digits = name.removeprefix("mixed-")
    if digits == name or not (digits.isascii() and digits.isdigit()) or len(digits) > 3:
        return None
    return int(digits) if int(digits) <= 100 else None
