"""The library: questions as Markdown files, axes as YAML files; a file's name is its id.

A folder of a user's own is read in the same way as the package's; so are published question files.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from spillover.data.folders import ASSETS, YAML, files_in
from spillover.data.published import read_published
from spillover.data.questions import read_question
from spillover.data.yamls import build_record, id_of, read_fields, unknown
from spillover.errors import ConfigError, UnknownNameError
from spillover.records import Axis, Battery, Question, QuestionKind, Settings


def load_questions(folder: Path | str | None = None, *, id: str | None = None) -> Battery:
    """Read every question (``*.md``, subfolders too) of a folder as one battery, sorted by id.

    Args:
        folder: where the files lie, or a published file of questions (``*.yaml``), which keeps
            its order; None is the package's own library.
        id: the battery's name; the folder's name if None.

    Raises:
        MissingFileError: no such folder, or no question in it.
        ConfigError: a file is broken; the message names file, field and what is allowed.
    """
    if folder is None and id is None:
        return _library()
    root = ASSETS / "questions" if folder is None else Path(folder)
    if root.suffix in YAML and not root.is_dir():
        return Battery(id=id or root.stem, questions=read_published(root))
    return _read_all(root, id or ("library" if folder is None else root.resolve().name))


@functools.cache  # some 300 files, read several times in one audit
def _library() -> Battery:
    return _read_all(ASSETS / "questions", "library")


def _read_all(root: Path, id: str) -> Battery:
    questions = [read_question(path) for path in files_in(root, ".md")]
    return Battery(id=id, questions=tuple(sorted(questions, key=lambda q: q.id)))


def load_axes(folder: Path | str | None = None) -> tuple[Axis, ...]:
    """Read every axis (``*.yaml``) of a folder, sorted by id.

    Args:
        folder: where the files lie; None is the package's own library.

    Raises:
        MissingFileError: no such folder, or no axis in it.
        ConfigError: a file is broken; the message names file, field and what is allowed.
    """
    root = ASSETS / "axes" if folder is None else Path(folder)
    return tuple(sorted(map(_axis, files_in(root, *YAML)), key=lambda axis: axis.id))


def pick_questions(battery: Battery, ids: Iterable[str]) -> Battery:
    """Return the battery with only these questions, in the order of ``ids``.

    Raises:
        UnknownNameError: an id is not in the battery; the message names the nearest ones.
    """
    wanted = tuple(ids)
    for one in wanted:
        if one not in battery.by_id:
            raise UnknownNameError(unknown("question", one, battery.by_id))
    return Battery(id=battery.id, questions=tuple(battery.by_id[one] for one in wanted))


def pick_axes(axes: Sequence[Axis], ids: Iterable[str]) -> tuple[Axis, ...]:
    """Return only these axes, in the order of ``ids``.

    Raises:
        UnknownNameError: an id is not among them; the message names the nearest ones.
    """
    by_id = {axis.id: axis for axis in axes}
    wanted = tuple(ids)
    for one in wanted:
        if one not in by_id:
            raise UnknownNameError(unknown("axis", one, by_id))
    return tuple(by_id[one] for one in wanted)


def merge_batteries(first: Battery, *others: Battery) -> Battery:
    """Return one battery of all questions, under the first one's id.

    Raises:
        ConfigError: two of them have a question of the same id.
    """
    questions = [q for battery in (first, *others) for q in battery.questions]
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise ConfigError(f"two questions have the id {question.id!r}: rename one")
        seen.add(question.id)
    return Battery(id=first.id, questions=tuple(questions))


def ask_settings(question: Question, by_kind: Mapping[QuestionKind, Settings]) -> Settings:
    """Return how one question is asked: a self-report is scored, everything else is sampled.

    A rating is scored over every whole number of its range, a choice over its letters (or its
    labels, where these are letters themselves). Only self-reports are: a scored ask gives the
    same answer at every seed, so that asking it again would be no new evidence of conduct.
    """
    settings = by_kind.get(question.kind, Settings())
    if question.kind != "self_report" or not (question.numbers or question.choices):
        return settings
    if question.numbers is not None:
        low, high = question.numbers
        replies = tuple(str(number) for number in range(low, high + 1))
    else:
        letters = tuple(string.ascii_uppercase[: len(question.choices)])
        replies = question.choices if len(question.choices[0]) == 1 else letters
    return settings.model_copy(update={"continuations": replies})


def load_settings(path: Path | str | None = None) -> dict[QuestionKind, Settings]:
    """Read how each kind of question is sampled (a YAML file: kind, then fields of `Settings`).

    Raises:
        MissingFileError, ConfigError: as `load_axes`.
    """
    path = ASSETS / "settings.yaml" if path is None else Path(path)
    fields = read_fields(path)
    kinds: tuple[QuestionKind, ...] = get_args(QuestionKind)
    for kind in fields:
        if kind not in kinds:
            raise ConfigError(f"{path}: {unknown('kind of question', kind, kinds)}")
    return {
        kind: build_record(Settings, fields[kind] or {}, path) for kind in kinds if kind in fields
    }


def load_words(path: Path | str | None = None) -> dict[str, tuple[str, ...]]:
    """Read the words of each trait's self-report (``trait: [word, ...]``), for the leak check."""
    path = ASSETS / "selfreport" / "words.yaml" if path is None else Path(path)
    data = read_fields(path)
    for trait, words in data.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ConfigError(f"{path}: {trait}: needs a list of words")
    return {trait: tuple(words) for trait, words in data.items()}


def _axis(path: Path) -> Axis:
    fields = read_fields(path)
    if "id" in fields:
        raise ConfigError(f"{path}: 'id' can't be set here; it is the file's name")
    axis = build_record(Axis, {**fields, "id": id_of(path)}, path)
    if axis.measure == "event" and axis.event is None:
        raise ConfigError(f"{path}: an axis that measures an event needs 'event', the label")
    return axis
