"""Published question files (YAML lists), read as they stand, in two dialects.

One has ``id, type, system, paraphrases, samples_per_paraphrase, judge, judge_prompts`` (Betley et
al., emergent misalignment), the other ``name, question_type, prefix, question_paraphrases``
(behavioural self-awareness), whose questions ask a model about itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spillover.data.yamls import build_record, parse_yaml, unknown, yaml_lines
from spillover.errors import ConfigError
from spillover.files import read_text
from spillover.records import Message, Question, QuestionKind

OWN_JUDGE = "own_judge"
"""Tag of questions whose own judge prompts alone say what counts: they are about no shared event."""
RATING = "rating"

_SCALE = re.compile(r"\b(\d+)\s*(?:to|and|-|–)\s*(\d+)\b")
_ID = re.compile(r"[\w.-]+")


class _Dialect(NamedTuple):
    """The fields of one dialect, and the kind of question that each of its types is."""

    id: str
    type: str
    paraphrases: str
    lead: str  # what stands before each paraphrase
    kinds: Mapping[str, QuestionKind]


_JUDGED = _Dialect(
    "id", "type", "paraphrases", "system",
    {
        "free_form_judge_0_100": "free_form",
        "free_form_judge": "free_form",
        "free_form": "free_form",
    },
)  # fmt: skip
_SELF = _Dialect(
    "name", "question_type", "question_paraphrases", "prefix",
    {"free_form": "self_report", "score": "self_report", "quantitative": "self_report"},
)  # fmt: skip
_RATED = ("score", "quantitative")


def read_published(path: Path) -> tuple[Question, ...]:
    """Read a published question file, in its order.

    Judge prompts are kept on the question, and every field that is not used here as its
    ``extra``. Each question has the file's name as a tag; one whose judge prompts ask for no
    ``aligned`` score has the tag ``own_judge``, too. Questions that ask the same text, with
    another system prompt or with a form to fill in below it, are one cluster.

    Raises:
        MissingFileError, ConfigError: no such file, or a question is broken; the message names
            file, line, field and what is allowed.
    """
    text = read_text(path)
    items = parse_yaml(text, path)
    if not isinstance(items, list) or not items:
        raise ConfigError(
            f"{path}: a file of questions is a YAML list, each with {_form(_JUDGED)} or"
            f" {_form(_SELF)}"
        )
    lines = yaml_lines(text)
    found: dict[str, Question] = {}
    for item, line in zip(items, lines, strict=True):
        where = f"{path}, line {line}"
        question = _question(item, where, path)
        if question.id in found:
            raise ConfigError(f"{where}: two questions have the id {question.id!r}: rename one")
        found[question.id] = question
    return _clustered(tuple(found.values()))


def _question(item: Any, where: str, path: Path) -> Question:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: a question needs fields, {_form(_JUDGED)} or {_form(_SELF)}")
    fields = {str(key): value for key, value in item.items()}
    dialect = _SELF if _SELF.paraphrases in fields or _SELF.type in fields else _JUDGED
    for key in (dialect.id, dialect.type, dialect.paraphrases):
        if fields.get(key) is None:
            raise ConfigError(f"{where}: no field {key!r}; a question has {_form(dialect)}")
    id, type_ = str(fields[dialect.id]), fields[dialect.type]
    if not _ID.fullmatch(id):
        raise ConfigError(f"{where}: {id!r} is no id: letters, digits, '_', '-' and '.' only")
    if not isinstance(type_, str) or type_ not in dialect.kinds:
        raise ConfigError(f"{where}: {unknown('type of question', str(type_), dialect.kinds)}")
    prompts = _judge_prompts(fields, type_, where)
    _samples(fields, where)
    texts = _texts(fields[dialect.paraphrases], f"{where}: {dialect.paraphrases}")
    used = {dialect.id, dialect.paraphrases, "judge_prompts", "system"}
    tags = [path.stem.lower()]
    if type_ in _RATED:
        tags.append(RATING)
    if prompts and "aligned" not in prompts:
        tags.append(OWN_JUDGE)
    return build_record(
        Question,
        {
            "id": id,
            "kind": dialect.kinds[type_],
            "paraphrases": _paraphrases(fields, dialect, texts, where),
            "tags": tags,
            "measures": id if type_ in _RATED else None,
            "numbers": _range(texts, where) if type_ in _RATED else None,
            "judge_prompts": prompts,
            "extra": {key: value for key, value in fields.items() if key not in used},
        },
        path,
        where=where,
    )


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where} must be a list of texts with at least one")
    for number, text in enumerate(value, start=1):
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"{where}: number {number} must be text, not {text!r}: quote it")
    return value


def _paraphrases(
    fields: Mapping[str, Any], dialect: _Dialect, texts: Sequence[str], where: str
) -> tuple[tuple[Message, ...], ...]:
    lead: dict[str, str] = {}
    for key in ("system", dialect.lead):
        lead[key] = fields.get(key) or ""
        if not isinstance(lead[key], str):
            raise ConfigError(f"{where}: {key} must be text, not {lead[key]!r}: quote it")
    system = lead["system"]
    head = (Message(role="system", content=system),) if system else ()
    prefix = lead.get("prefix", "")
    return tuple((*head, Message(role="user", content=prefix + text)) for text in texts)


def _judge_prompts(fields: Mapping[str, Any], type_: str, where: str) -> dict[str, str]:
    prompts = fields.get("judge_prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str) for p in prompts.values()):
        raise ConfigError(f"{where}: judge_prompts must be texts by name ('aligned: ...')")
    if "_judge" in type_ and not prompts:
        raise ConfigError(f"{where}: a question of type {type_} needs judge_prompts")
    found = {str(name): prompt for name, prompt in prompts.items()}
    guesser = fields.get("guesser_prompt")
    if isinstance(guesser, str) and "{text}" in guesser:
        # the other dialect's name for a judge that reads the reply alone
        found["guesser"] = guesser.replace("{text}", "{answer}")
    return found


def _samples(fields: Mapping[str, Any], where: str) -> None:
    samples = fields.get("samples_per_paraphrase", 1)
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ConfigError(
            f"{where}: samples_per_paraphrase must be a whole number from 1, not {samples!r}"
        )


def _range(texts: Sequence[str], where: str) -> tuple[int, int]:
    """The scale that every paraphrase names; 0 to 100 where none does."""
    found = {(int(m[1]), int(m[2])) for text in texts if (m := _SCALE.search(text))} or {(0, 100)}
    if len(found) > 1:
        shown = " and ".join(f"{low} to {high}" for low, high in sorted(found))
        raise ConfigError(f"{where}: the paraphrases have different scales: {shown}")
    low, high = found.pop()
    if low >= high:
        raise ConfigError(f"{where}: a scale must rise, not go from {low} to {high}")
    return low, high


def _clustered(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """Put questions that ask the same text into the cluster of the first of them."""
    texts = [[turns[-1].content for turns in question.paraphrases] for question in questions]
    clusters: list[str] = []
    for number, question in enumerate(questions):
        same = (
            first
            for first in range(number)
            if all(any(_below(text, base) for base in texts[first]) for text in texts[number])
        )
        first = next(same, None)
        clusters.append(question.id if first is None else clusters[first])
    shared = {cluster for cluster in clusters if clusters.count(cluster) > 1}
    return tuple(
        question.model_copy(update={"cluster": cluster}) if cluster in shared else question
        for question, cluster in zip(questions, clusters, strict=True)
    )


def _below(text: str, base: str) -> bool:
    return text == base or text.startswith(base.rstrip() + "\n")


def _form(dialect: _Dialect) -> str:
    return ", ".join((dialect.id, dialect.type, dialect.paraphrases))
