"""Where training rows come from: JSONL, a JSON array, gzip, Parquet, a Hugging Face data set.

A file's content says what it is; its name says nothing. Each reader yields the rows one by one
with their place, so that whatever is wrong with one can be named.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spillover.data.hub import HUB, hub_items, is_hub
from spillover.data.plain import arrow_items
from spillover.errors import DataError, MissingExtraError, MissingFileError

_BOM = b"\xef\xbb\xbf"
_ENDINGS = (".jsonl", ".json", ".parquet")
_ARRAY_HINT = "; a JSON array over several lines must become one object a line"


class Item(NamedTuple):
    """One row as its file has it; ``broken`` says why there is no value."""

    place: str
    value: Any
    broken: str | None = None


class Source(NamedTuple):
    """An opened source: its name to show, the format it was found to have, and its rows."""

    name: str
    format: str
    items: Iterator[Item]


def names_rows(text: str) -> bool:
    """Whether a name can only be that of training rows, not of a model."""
    return is_hub(text) or text.removesuffix(".gz").endswith(_ENDINGS)


def open_source(source: Path | str) -> Source:
    """Open training rows by path, or by ``hf:OWNER/NAME[/CONFIG][:SPLIT]``.

    Raises:
        MissingFileError: no such file or data set, or it can't be read.
        DataError: a truncated or broken file; while its items are read, too.
        MissingExtraError: a Parquet file or data set without the libraries that read it.
    """
    if isinstance(source, str) and is_hub(source):
        items = (Item(f"row {n}", value) for n, value in hub_items(source))
        return Source(source, "Hugging Face data set", items)
    path = Path(source)
    raw = _read(path)
    if raw.startswith(b"PAR1"):
        return Source(str(path), "Parquet", _parquet(raw, path))
    zipped = raw.startswith(b"\x1f\x8b")
    raw = (_unzip(raw, path) if zipped else raw).removeprefix(_BOM)
    is_array = raw[:1024].lstrip()[:1] == b"["
    kind = "JSON array" if is_array else "JSONL"
    items = _array(raw, path) if is_array else _lines(raw)
    return Source(str(path), f"gzip, {kind}" if zipped else kind, items)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        hint = f"; a Hugging Face data set is {HUB}OWNER/NAME" if not path.suffix else ""
        raise MissingFileError(f"no training data {path}: check the path{hint}") from None
    except IsADirectoryError:
        raise MissingFileError(
            f"{path} is a folder: training data is a file of rows, or {HUB}{path} for a saved"
            " Hugging Face data set"
        ) from None
    except OSError as error:
        raise MissingFileError(f"can't read {path}: {error.strerror}") from None


def _unzip(raw: bytes, path: Path) -> bytes:
    parts: list[bytes] = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            while part := stream.read(1 << 20):
                parts.append(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = "ends too early" if isinstance(error, EOFError) else f"is broken ({error})"
        lines = sum(part.count(b"\n") for part in parts)
        raise DataError(
            f"{path} (gzip) {what} after {lines} whole lines: copy or download it again"
        ) from None
    return b"".join(parts)


def _lines(raw: bytes) -> Iterator[Item]:
    # only "\n" ends a line: str.splitlines would also cut at U+2028 inside a JSON string
    for number, line in enumerate(raw.split(b"\n"), start=1):
        place = f"line {number}"
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield Item(
                place,
                None,
                f"not UTF-8 text (byte {error.start} of the line); save the file as UTF-8",
            )
            continue
        if not text.strip():
            continue
        try:
            yield Item(place, json.loads(text))
        except json.JSONDecodeError as error:
            hint = _ARRAY_HINT if text.lstrip().startswith("[") else ""
            yield Item(place, None, f"broken JSON ({error.msg}, column {error.colno}){hint}")
        except RecursionError:
            yield Item(place, None, "JSON nested too deeply")
        except ValueError as error:  # such as a whole number of more than 4,300 digits
            yield Item(place, None, f"JSON that can't be read ({error})")


def _array(raw: bytes, path: Path) -> Iterator[Item]:
    """The elements of one JSON array; after broken JSON nothing more of it can be read."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from None
    decoder = json.JSONDecoder()
    at, line, counted = _blank(text, text.index("[") + 1), 1, 0
    if text[at : at + 1] == "]":
        return
    while True:
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, end = decoder.raw_decode(text, at)
        except RecursionError:
            raise DataError(f"{path}, line {line}: JSON nested too deeply") from None
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {error.lineno}: broken JSON ({error.msg}, column {error.colno})"
            ) from None
        except ValueError as error:  # such as a whole number of more than 4,300 digits
            raise DataError(f"{path}, line {line}: JSON that can't be read ({error})") from None
        yield Item(f"line {line}", value)
        end = _blank(text, end)
        if text[end : end + 1] == "]":
            return
        if text[end : end + 1] != ",":
            line += text.count("\n", counted, end)
            raise DataError(f"{path}, line {line}: broken JSON (',' or ']' expected)")
        at = _blank(text, end + 1)


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _parquet(raw: bytes, path: Path) -> Iterator[Item]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            f"{path} is a Parquet file, which needs pyarrow: pip install 'spillover[local]'"
        ) from None
    try:
        batches = pq.ParquetFile(io.BytesIO(raw)).iter_batches()
        for number, value in enumerate(arrow_items(batches), start=1):
            yield Item(f"row {number}", value)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is a broken Parquet file: {error}") from None
