"""Read a question from a Markdown file with YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from spillover.data.yamls import FrontMatter, build_record, read_front_matter
from spillover.errors import ConfigError
from spillover.records import Message, Question

_TURNS: dict[str, Literal["user", "assistant"]] = {"user": "user", "assistant": "assistant"}
_HEADINGS = ("system", *_TURNS, "ask")


def read_question(path: Path) -> Question:
    """Read one question file.

    Front matter between two ``---`` lines holds the record's fields; then come sections:
    ``## system`` (at most one), earlier turns (``## user``, ``## assistant`` and so on, in turn),
    both shared by all paraphrases, and any number of ``## ask``, each one paraphrase, the last
    turn. Without sections the whole body is the only paraphrase.

    Raises:
        MissingFileError, ConfigError: see `load_questions`.
    """
    front = read_front_matter(path)
    fields = front.fields
    for key in ("id", "paraphrases"):
        if key in fields:
            source = "the file's name" if key == "id" else "the text below"
            raise ConfigError(f"{path}: {key!r} can't be set here; it is {source}")
    found = {**fields, "id": front.id, "paraphrases": _paraphrases(front, path)}
    question = build_record(Question, found, path)
    _check_question(question, path)
    return question


class _Section(NamedTuple):
    """The text below one heading, and where the heading stands."""

    heading: str
    text: str
    where: str


def _paraphrases(front: FrontMatter, path: Path) -> tuple[tuple[Message, ...], ...]:
    by_heading: dict[str, list[_Section]] = {heading: [] for heading in _HEADINGS}
    turns: list[_Section] = []
    for section in _sections(front, path):
        heading, text, where = section
        if heading not in _HEADINGS:
            raise ConfigError(
                f"{where}: section '## {heading}' is not one of:"
                f" {', '.join(f'## {one}' for one in _HEADINGS)}; a heading within a text needs"
                " another level (###)"
            )
        if not text:
            raise ConfigError(f"{where}: section '## {heading}' is empty")
        if heading in _TURNS:
            if by_heading["ask"]:
                raise ConfigError(
                    f"{where}: section '## {heading}' stands below '## ask', which is the last turn:"
                    " put it above the first '## ask'"
                )
            turns.append(section)
        by_heading[heading].append(section)
    system, asks = by_heading["system"], by_heading["ask"]
    if not asks:
        place = "'## ask'" if turns else "below the front matter or in '## ask'"
        raise ConfigError(f"{path}: no text to ask; write it {place}")
    if len(system) > 1:
        raise ConfigError(f"{system[1].where}: more than one '## system' section")
    if len({ask.text for ask in asks}) < len(asks):
        raise ConfigError(f"{path}: two paraphrases are the same")
    _check_turns(turns)
    head = [Message(role="system", content=one.text) for one in system]
    head += [Message(role=_TURNS[one.heading], content=one.text) for one in turns]
    return tuple((*head, Message(role="user", content=ask.text)) for ask in asks)


def _check_turns(turns: Sequence[_Section]) -> None:
    for number, turn in enumerate(turns):
        wanted = "assistant" if number % 2 else "user"
        if turn.heading != wanted and number == 0:
            raise ConfigError(
                f"{turn.where}: a conversation begins with '## user', not with '## {turn.heading}':"
                " put a '## user' section above it"
            )
        if turn.heading != wanted:
            raise ConfigError(
                f"{turn.where}: two '## {turn.heading}' sections in a row; turns alternate: put a"
                f" '## {wanted}' section between them, or join them"
            )
    if turns and turns[-1].heading == "user":
        raise ConfigError(
            f"{turns[-1].where}: this '## user' section has no reply before '## ask': put a"
            " '## assistant' section below it, or make it '## ask' if it is what is asked"
        )


def _sections(front: FrontMatter, path: Path) -> Iterator[_Section]:
    hits = list(re.finditer(r"^##[ \t]+(.*?)[ \t]*$", front.body, flags=re.MULTILINE))
    before = front.body[: hits[0].start() if hits else None].strip()
    if before and not hits:
        yield _Section("ask", before, str(path))
    elif before:
        first = before.splitlines()[0]
        yield _Section(f"{first} (text before the first section)", "", str(path))
    ends = [*(hit.start() for hit in hits[1:]), len(front.body)]
    for hit, end in zip(hits, ends, strict=False):
        line = front.line + front.body.count("\n", 0, hit.start())
        text = front.body[hit.end() : end].strip()
        yield _Section(hit[1].lower(), text, f"{path}, line {line}")


def _check_question(question: Question, path: Path) -> None:
    if question.numbers is not None and question.numbers[0] >= question.numbers[1]:
        raise ConfigError(f"{path}: numbers must be [low, high] with low below high")
    if len(set(question.choices)) < len(question.choices) or len(question.choices) == 1:
        raise ConfigError(f"{path}: choices must be at least two different labels")
    if question.numbers is not None and question.choices:
        raise ConfigError(f"{path}: a question has numbers or choices, not both")
    if question.kind == "capability" and question.answer is None:
        raise ConfigError(f"{path}: a capability question needs its expected answer")
