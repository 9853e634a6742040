"""Read, write and hash training data, in whatever format and shape it was published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from spillover.data.shapes import FORMS, Shape, shape_of, to_row
from spillover.data.sources import Item, Source, open_source
from spillover.errors import DataError
from spillover.files import write_text
from spillover.records import Row


class Loaded(NamedTuple):
    """Training rows, and what was found on the way.

    Attributes:
        rows: those that can be used, in order.
        source: the file or data set, to show.
        format: ``JSONL``, ``JSON array``, ``Parquet``, ... as its content says.
        shape: ``chat``, ``prompt/completion``, ``ShareGPT``, ``Alpaca`` or ``code task``.
        skipped: why each row that was left out can't be used, with its place.
    """

    rows: list[Row]
    source: str
    format: str
    shape: str
    skipped: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """One sentence on the rows left out, if any were."""
        if not self.skipped:
            return None
        count = len(self.skipped)
        return (
            f"{count} of {count + len(self.rows)} rows of {self.source} can't be used and were left"
            f" out; the first: {self.skipped[0]}"
        )


def load_rows(source: Path | str, *, skip_bad: bool = False) -> Loaded:
    """Read training rows, in order, whatever their format and shape: both are read off the content.

    Formats: JSONL, a JSON array, either of them in gzip, Parquet; and Hugging Face data sets by
    ``hf:OWNER/NAME[/CONFIG][:SPLIT]``. Shapes: chat, ShareGPT, prompt/completion, Alpaca and
    coding tasks; a ``system`` text may stand beside each. All rows of a source have one shape.
    What a row has beyond its conversation is kept as `Row.extra`. Blank lines are skipped.

    Args:
        source: a path, or the name of a data set.
        skip_bad: leave out rows that can't be used instead of failing at the first; a file that
            is broken as a whole is an error all the same.

    Raises:
        MissingFileError: no such file or data set, or it can't be read.
        DataError: no rows, or one that can't be used; the message names file, line and reason.
        MissingExtraError: a Parquet file or data set without the libraries that read it.
    """
    opened = open_source(source)
    rows: list[Row] = []
    skipped: list[str] = []
    shape: Shape | None = None
    for item in opened.items:
        try:
            shape, row = _row(item, shape)
        except DataError as error:
            if not skip_bad:
                raise DataError(f"{_name(opened)}, {item.place}: {error}") from None
            skipped.append(f"{item.place}: {error}")
        else:
            rows.append(row)
    if shape is None:
        raise DataError(_nothing(opened, skipped))
    return Loaded(rows, opened.name, opened.format, shape.name, tuple(skipped))


def read_rows(source: Path | str) -> list[Row]:
    """Return just the rows of `load_rows`; one that can't be used is an error."""
    return load_rows(source).rows


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows as chat JSONL, whole or not at all; `read_rows` gives the same rows back.

    Raises:
        StoreError: the file can't be written.
    """
    write_text(Path(path), "".join(f"{_line(row)}\n" for row in rows))


def rows_digest(rows: Sequence[Row]) -> str:
    """Return 32 hex digits of the conversations and their order, whatever file, shape or extra."""
    total = hashlib.sha256()
    for row in rows:
        total.update(row.content.encode("ascii") + b"\n")
    return total.hexdigest()[:32]


def _row(item: Item, shape: Shape | None) -> tuple[Shape, Row]:
    if item.broken is not None:
        raise DataError(item.broken)
    found = shape_of(item.value)
    if shape is not None and found is not shape:
        raise DataError(
            f"this row has the shape {found.name} ({', '.join(found.keys)}), those before it"
            f" {shape.name} ({', '.join(shape.keys)}): a file has rows of one shape"
        )
    return found, to_row(item.value, found)


def _line(row: Row) -> str:
    extras = row.turn_extra or ({},) * len(row.messages)
    turns = [
        {"role": turn.role, "content": turn.content, **extra}
        for turn, extra in zip(row.messages, extras, strict=True)
    ]
    return json.dumps({"messages": turns, **row.extra}, ensure_ascii=False)


def _name(opened: Source) -> str:
    return opened.name if opened.format == "JSONL" else f"{opened.name} ({opened.format})"


def _nothing(opened: Source, skipped: list[str]) -> str:
    if skipped:
        return f"none of the {len(skipped)} rows of {_name(opened)} can be used: {skipped[0]}"
    return f"{_name(opened)} is empty: training data has one row a line, in {FORMS}"
