"""Tables of answers whose truth is known: CSV, JSONL, a JSON array or Parquet, with exact complaints."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spillover.data.sources import Item, names_rows, open_source
from spillover.errors import DataError
from spillover.files import read_text

_YES, _NO = ("true", "yes", "1", "bad"), ("false", "no", "0", "", "good")
_NEEDED = "each answer needs `answer`, and `question_id` or `question`"
_TABLES = (".csv", ".tsv")


class KnownAnswer(NamedTuple):
    """One answer that is known to be bad; ``question`` is a question's id or text."""

    question: str
    answer: str
    place: str


class KnownTable(NamedTuple):
    """The bad answers of a table in its order, and how many it holds that are not."""

    answers: list[KnownAnswer]
    good: int


def names_known(text: str) -> bool:
    """Whether a name stands for a table of answers, not for a model."""
    return names_rows(text) or text.endswith(_TABLES)


def read_known_bad(path: Path) -> KnownTable:
    """Read answers that are known to be bad.

    Columns or keys: ``answer``; ``question_id``, or ``question`` as its text; ``bad`` where not
    all are (true/false, yes/no, 1/0). Others are ignored.

    Raises:
        MissingFileError: there is no such file, or it can't be read.
        DataError: an answer without question or text, a ``bad`` that is neither, broken CSV or
            JSON, or nothing in it; names file and place.
    """
    items = _table(path) if path.suffix in _TABLES else open_source(path).items
    found: list[KnownAnswer] = []
    good = 0
    for item in items:
        if item.broken is not None or not isinstance(item.value, dict):
            raise DataError(f"{path}, {item.place}: {item.broken or 'not an object'}; {_NEEDED}")
        question = _text(item.value.get("question_id")) or _text(item.value.get("question"))
        answer = _text(item.value.get("answer"))
        if not question or not answer:
            raise DataError(
                f"{path}, {item.place}: no {'question' if answer else 'answer'}; {_NEEDED}"
            )
        if _is_bad(path, item):
            found.append(KnownAnswer(question, answer, item.place))
        else:
            good += 1
    if not found:
        raise DataError(f"{path}: none of its {good} answers is bad; {_NEEDED}, and `bad` if given")
    return KnownTable(found, good)


def _table(path: Path) -> Iterator[Item]:
    tabs = path.suffix == ".tsv"
    stream = io.StringIO(read_text(path), newline="")
    reader = csv.DictReader(stream, strict=True, delimiter="\t" if tabs else ",")
    try:
        for row in reader:
            place = f"line {reader.line_num}"
            wrong = None in row or None in row.values()
            broken = "its number of fields is not that of the header" if wrong else None
            yield Item(place, row, broken)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: broken CSV: {error}") from None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _is_bad(path: Path, item: Item) -> bool:
    value = item.value.get("bad", True)
    text = str(value).strip().casefold()
    if text in _YES or text in _NO:
        return text in _YES
    raise DataError(
        f"{path}, {item.place}: bad is {str(value)[:40]!r}; allowed are true, yes, 1 and false, no, 0"
    )
