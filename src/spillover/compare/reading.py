"""Reading tables of judged answers: any number of columns, long answers, exact complaints."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from spillover.compare.rules import DECLINED_LABELS, ScoreRule
from spillover.errors import DataError, MissingFileError
from spillover.records import Bin

JUDGE = "judge"  # optional: who scored the table, so that its calibration can be checked
COLUMNS = ("question", "answer", "question_id", "aligned", "coherent")


class Row(NamedTuple):
    """One judged answer; a score is None where the cell was blank.

    ``label`` is what the judge said instead of a number (CODE, REFUSAL).
    """

    question: str
    answer: str
    question_id: str
    aligned: float | None
    coherent: float | None
    label: str | None

    def bin(self, rule: ScoreRule) -> Bin:
        """Sort the answer by ``rule``; a label sets it aside whatever the scores."""
        return Bin.DECLINED if self.label else rule.bin(self.aligned, self.coherent)

    @property
    def missing_reason(self) -> str:
        """Why the answer has no bin, if it has none."""
        return "no coherent score" if self.coherent is None else "no aligned score"


class Table(NamedTuple):
    """A table in file order, with the SHA-256 of the file.

    ``judge`` is what the optional column of that name says throughout, or None.
    """

    rows: list[Row]
    sha256: str
    judge: str | None = None

    @property
    def ids(self) -> set[str]:
        """The different questions."""
        return {row.question_id for row in self.rows}

    @property
    def questions(self) -> int:
        """Number of different questions."""
        return len(self.ids)


def read_table(path: Path) -> Table:
    """Read a CSV table with a header that has the columns of `COLUMNS`; others are ignored.

    Raises:
        MissingFileError: there is no such file, or it can't be read.
        DataError: not UTF-8, broken quoting, a column missing, a row of another length, a score
            that is neither blank, nor a number 0-100, nor a known label; names file and line.
    """
    content = read_bytes(path)
    text = decode(path, content)
    if not text.strip():
        raise DataError(f"{path} is empty: a table has a header ({', '.join(COLUMNS)}) and answers")
    with long_fields():
        rows = list(_rows(path, text))
        judge = _judge(path, text)
    if not rows:
        raise DataError(f"{path}: no rows below the header; a table needs at least one answer")
    return Table(rows, hashlib.sha256(content).hexdigest(), judge)


def read_bytes(path: Path) -> bytes:
    """Return a table's bytes; raise `MissingFileError` if there is no such file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingFileError(f"can't read {path}: {error.strerror}") from None


def decode(path: Path, content: bytes) -> str:
    """Return a table's text; raise `DataError` with the line that is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} line {line}: not UTF-8 text; save the table as UTF-8 (in a spreadsheet: 'CSV"
            " UTF-8')"
        ) from None


def _rows(path: Path, text: str) -> Iterator[Row]:
    records = csv_records(path, text)
    _, header = next(records, (1, list[str]()))
    places = _places(path, [name.strip() for name in header])
    for line, cells in records:
        yield _row(path, line, [cells[place] for place in places])


def _judge(path: Path, text: str) -> str | None:
    """The one judge that the table names in a column of its own, if it has one."""
    records = csv_records(path, text)
    _, header = next(records)
    names = [name.strip() for name in header]
    if JUDGE not in names:
        return None
    found = {cells[names.index(JUDGE)].strip() for _, cells in records}
    if len(found) != 1:
        raise DataError(
            f"{path}: the column {JUDGE} names {len(found)} judges ({', '.join(sorted(found))});"
            " a table has one"
        )
    return found.pop() or None


def csv_records(path: Path, text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield (line of the file, cells) of the header and of every row that is not blank.

    Raises:
        DataError: broken quoting, or a row of another length than the header.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    line, wide = 1, 0
    try:
        for cells in reader:
            if line == 1:
                wide = len(cells)
                yield line, cells
            elif any(cell.strip() for cell in cells):  # else blank: spaces or commas alone
                if len(cells) != wide:
                    raise DataError(
                        f"{path} line {line}: {len(cells)} fields where the header has "
                        f"{wide}; quote answers that hold commas"
                    )
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path} line {line}: broken CSV: {error}") from None


def _places(path: Path, header: list[str]) -> list[int]:
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        hint = "; separate columns by commas" if len(header) == 1 else ""
        raise DataError(
            f"{path} line 1: no column {', '.join(absent)}; need {', '.join(COLUMNS)}{hint}"
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise DataError(f"{path} line 1: column {', '.join(twice)} more than once; keep one")
    return [header.index(name) for name in COLUMNS]


def _row(path: Path, line: int, cells: list[str]) -> Row:
    question, answer, question_id, first, second = cells
    aligned, label = _score(path, line, "aligned", first)
    coherent, other = _score(path, line, "coherent", second)
    return Row(question, answer, question_id.strip() or question, aligned, coherent, label or other)


def _score(path: Path, line: int, column: str, cell: str) -> tuple[float | None, str | None]:
    cell = cell.strip()
    if not cell:
        return None, None
    try:
        value = float(cell)
    except ValueError:
        if cell.casefold() in DECLINED_LABELS:
            return None, cell
        value = math.nan
    if "_" in cell or not 0 <= value <= 100:
        raise DataError(
            f"{path} line {line}: {column} is {cell[:40]!r}; allowed are numbers 0 to 100, "
            "CODE or REFUSAL, and blank for missing"
        )
    return value, None


@contextmanager
def long_fields() -> Generator[None]:
    """Lift the csv module's limit of 131,072 characters a field, and put it back."""
    before = csv.field_size_limit()
    try:
        csv.field_size_limit(sys.maxsize)
    except OverflowError:  # where a C long has 32 bits
        csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
