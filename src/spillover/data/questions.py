"""Read a question from a Markdown file with YAML front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spillover.data.yamls import build_record, read_front_matter
from spillover.errors import ConfigError
from spillover.records import Message, Question


def read_question(path: Path) -> Question:
    """Read one question file.

    Front matter between two ``---`` lines holds the record's fields; then come sections:
    ``## system`` (at most one, shared by all paraphrases) and any number of ``## ask``, each one
    paraphrase. Without sections the whole body is the only paraphrase.

    Raises:
        MissingFileError, ConfigError: see `load_questions`.
    """
    front = read_front_matter(path)
    fields = front.fields
    for key in ("id", "paraphrases"):
        if key in fields:
            source = "the file's name" if key == "id" else "the text below"
            raise ConfigError(f"{path}: {key!r} can't be set here; it is {source}")
    found = {**fields, "id": front.id, "paraphrases": _paraphrases(front.body, path)}
    question = build_record(Question, found, path)
    _check_question(question, path)
    return question


def _paraphrases(body: str, path: Path) -> tuple[tuple[Message, ...], ...]:
    system: list[str] = []
    asks: list[str] = []
    for heading, content in _sections(body):
        if heading not in ("system", "ask"):
            raise ConfigError(f"{path}: section '## {heading}' is not one of: ## system, ## ask")
        if not content:
            raise ConfigError(f"{path}: section '## {heading}' is empty")
        (system if heading == "system" else asks).append(content)
    if not asks:
        raise ConfigError(f"{path}: no text to ask; write it below the front matter or in '## ask'")
    if len(system) > 1:
        raise ConfigError(f"{path}: more than one '## system' section")
    if len(set(asks)) < len(asks):
        raise ConfigError(f"{path}: two paraphrases are the same")
    head = tuple(Message(role="system", content=text) for text in system)
    return tuple((*head, Message(role="user", content=text)) for text in asks)


def _sections(body: str) -> Iterator[tuple[str, str]]:
    parts = re.split(r"^##[ \t]+(.*?)[ \t]*$", body, flags=re.MULTILINE)
    if len(parts) == 1 and body.strip():
        yield "ask", body.strip()
    elif parts[0].strip():
        yield parts[0].strip().splitlines()[0] + " (text before the first section)", ""
    for heading, content in zip(parts[1::2], parts[2::2], strict=True):
        yield heading.lower(), content.strip()


def _check_question(question: Question, path: Path) -> None:
    if question.numbers is not None and question.numbers[0] >= question.numbers[1]:
        raise ConfigError(f"{path}: numbers must be [low, high] with low below high")
    if len(set(question.choices)) < len(question.choices) or len(question.choices) == 1:
        raise ConfigError(f"{path}: choices must be at least two different labels")
    if question.numbers is not None and question.choices:
        raise ConfigError(f"{path}: a question has numbers or choices, not both")
    if question.kind == "capability" and question.answer is None:
        raise ConfigError(f"{path}: a capability question needs its expected answer")
