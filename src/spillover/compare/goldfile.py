"""The file of a gold set: written whole, read back tolerantly after a spreadsheet had it."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spillover.compare.reading import csv_records, decode, long_fields, read_bytes
from spillover.errors import DataError
from spillover.files import write_text
from spillover.records import Bin

SKIPPED = "skip"
_MOST = 1e9  # answers that one row may stand for
HUMAN_LABELS = (
    Bin.MISALIGNED.value, Bin.ALIGNED.value, Bin.INCOHERENT.value, "refused", SKIPPED,
)  # fmt: skip
# A spreadsheet runs a cell that begins like a formula, and these were written by a model.
_FORMULA, _QUOTED = re.compile(r"'*[=+\-@\t\r]"), re.compile(r"'+[=+\-@\t\r]")
_ALSO = {"refused or code": "refused", "refusal": "refused", "code": "refused", "skipped": SKIPPED}


class GoldRow(NamedTuple):
    """One drawn answer; the fields are the columns of ``gold.csv``.

    Attributes:
        id: made from the answer's content, so that it stays the same.
        target: who answered.
        question: the prompt; ``answer`` is the reply.
        judge: id of the judge, and ``judge_version`` of its rule.
        judge_label: the bin that it put the answer in.
        weight: how many answers of that bin this one stands for.
        human_label: one of `HUMAN_LABELS`; empty until it is labelled.
        when: time of the label (ISO 8601), or empty.
    """

    id: str
    target: str
    question: str
    answer: str
    judge: str
    judge_version: str
    judge_label: str
    weight: float
    human_label: str
    when: str

    @property
    def missing(self) -> str:
        """Why there is no label by hand; empty if there is one."""
        if not self.human_label:
            return "not labelled yet"
        return "skipped" if self.human_label == SKIPPED else ""


class GoldSet(NamedTuple):
    """The rows of a gold set, with the SHA-256 of its file."""

    rows: list[GoldRow]
    sha256: str


# A spreadsheet may drop what is only for people; labels mean nothing without these.
NEEDED = ("id", "judge", "judge_label", "weight", "human_label")
# Where a judge reads the answers anew, what another said of them is not needed.
NEEDED_ANEW = ("question", "answer", "human_label")


def write_gold(path: Path, rows: Sequence[GoldRow]) -> None:
    """Write a gold set, whole or not at all.

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(GoldRow._fields)
    for row in rows:
        # A lone surrogate in a reply is no text that a file can hold.
        cells = [str(cell) for cell in row]
        cells = [cell.encode("utf-8", "replace").decode("utf-8") for cell in cells]
        writer.writerow(["'" + cell if _FORMULA.match(cell) else cell for cell in cells])
    write_text(path, stream.getvalue())


def read_gold(path: Path, *, anew: bool = False) -> GoldSet:
    """Read a gold set, also as a spreadsheet saves it: other columns or order, semicolons, BOM.

    Labels are read without regard to case, and by their first letter.

    Args:
        path: the file.
        anew: the answers will be judged anew. Then `NEEDED_ANEW` will do; without a column ``id``
            it is made from question and answer, and without ``weight`` it is 1.

    Raises:
        MissingFileError: there is no such file, or it can't be read.
        DataError: not UTF-8, broken quoting, a column missing, an id twice, a label or a weight
            that is none; names file and line.
    """
    content = read_bytes(path)
    text = decode(path, content)
    with long_fields():
        rows = list(_rows(path, text, NEEDED_ANEW if anew else NEEDED))
    if not rows:
        raise DataError(f"{path}: no rows; `spillover judge label` draws a gold set")
    if twice := [name for name, times in Counter(row.id for row in rows).items() if times > 1]:
        raise DataError(f"{path}: the id {twice[0]!r} stands twice; keep one row of each answer")
    return GoldSet(rows, hashlib.sha256(content).hexdigest())


def _rows(path: Path, text: str, needed: Sequence[str]) -> Iterator[GoldRow]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    header: list[str] = []
    seen = Counter[str]()
    for line, cells in csv_records(path, text, delimiter):
        if not header:
            header = [name.strip().casefold() for name in cells]
            if twice := [name for name, times in Counter(header).items() if name and times > 1]:
                raise DataError(
                    f"{path} line 1: the column {twice[0]!r} stands twice: keep one of them"
                )
            if absent := [name for name in needed if name not in header]:
                raise DataError(
                    f"{path} line 1: no column {', '.join(absent)}; a gold set has the columns"
                    f" {', '.join(GoldRow._fields)}; where a model judges it anew (--judge),"
                    f" {', '.join(NEEDED_ANEW)} will do"
                )
        else:
            found = dict(zip(header, cells, strict=False))
            if "id" not in header:
                found["id"] = _content_id(found, seen)
            found = {"weight": "1", **found}
            yield _row(path, line, {name: found.get(name, "") for name in GoldRow._fields}, needed)


def _content_id(cells: dict[str, str], seen: Counter[str]) -> str:
    """A name by question and answer; equal ones are numbered."""
    text = f"{cells.get('question', '')}\0{cells.get('answer', '')}"
    name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"


def _row(path: Path, line: int, cells: dict[str, str], needed: Sequence[str]) -> GoldRow:
    place = f"{path} line {line}"
    cells = {name: cell[1:] if _QUOTED.match(cell) else cell for name, cell in cells.items()}
    text = {name: cell if name in ("question", "answer") else cell.strip()
            for name, cell in cells.items()}  # fmt: skip
    for name in ("id", *(name for name in needed if name not in ("answer", "human_label"))):
        if not text[name].strip():
            raise DataError(f"{place}: {name} is empty; only human_label and when may be")
    return GoldRow(
        **{name: cell for name, cell in text.items() if name not in ("weight", "human_label")},
        weight=_weight(place, text["weight"]),
        human_label=_label(place, text["human_label"]),
    )


def _weight(place: str, cell: str) -> float:
    try:
        value = float(cell.replace(",", "."))  # a spreadsheet may write 5,4
    except ValueError:
        value = math.nan
    if not 1 - 1e-9 <= value <= _MOST:  # never true of NaN
        raise DataError(
            f"{place}: weight is {cell[:40]!r}; it is how many answers the row stands for, 1 or"
            f" more and at most {_MOST:,.0f}, and not to be edited"
        )
    return value


def _label(place: str, cell: str) -> str:
    word = cell.casefold()
    if not word:
        return ""
    fits = [
        label for label in HUMAN_LABELS if label == word or (len(word) == 1 and label[0] == word)
    ]
    found = fits[0] if fits else _ALSO.get(word)
    if found is None:
        raise DataError(
            f"{place}: human_label is {cell[:40]!r}; allowed are {', '.join(HUMAN_LABELS)} (or"
            " their first letters), and blank for not labelled yet"
        )
    return found
