"""Read, write and hash training data: chat JSONL and prompt/completion JSONL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from spillover.errors import DataError, MissingFileError
from spillover.files import write_text
from spillover.records import Message, Row, canonical_json

_ROLES: tuple[str, ...] = get_args(Message.model_fields["role"].annotation)
_FORMS = (
    '{"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}'
    ' or {"prompt": ..., "completion": ...}'
)


def read_rows(path: Path | str) -> list[Row]:
    """Read training rows from a JSONL file, in order.

    A line is either ``{"messages": [...]}`` (roles system, user, assistant; the last turn is
    the assistant's) or ``{"prompt": ..., "completion": ...}``, where both are texts or lists of
    messages and a ``system`` text may stand beside them. Other keys are ignored, blank lines
    skipped.

    Raises:
        MissingFileError: no such file, or it is a folder or can't be read.
        DataError: the file is empty, not UTF-8, or a line is broken; the message names the line.
    """
    path = Path(path)
    rows = [_row(line, f"{path}, line {number}") for number, line in _lines(path)]
    if not rows:
        raise DataError(f"{path} is empty: training data has one row a line, {_FORMS}")
    return rows


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows as chat JSONL, whole or not at all; `read_rows` gives the same rows back.

    Raises:
        StoreError: the file can't be written.
    """
    lines = [json.dumps(row.model_dump(mode="json"), ensure_ascii=False) for row in rows]
    write_text(Path(path), "".join(line + "\n" for line in lines))


def rows_digest(rows: Sequence[Row]) -> str:
    """Return 32 hex digits that depend on the rows' contents and order, not on file or format."""
    total = hashlib.sha256()
    for row in rows:
        total.update(canonical_json(row).encode("ascii") + b"\n")
    return total.hexdigest()[:32]


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"no training data {path}: check the path") from None
    except IsADirectoryError:
        raise MissingFileError(f"{path} is a folder: training data is a JSONL file") from None
    except OSError as error:
        raise MissingFileError(f"can't read {path}: {error.strerror}") from None
    # only "\n" ends a line: str.splitlines would also cut at U+2028 inside a JSON string
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not UTF-8 text (byte {error.start} of the line);"
                " save the file as UTF-8"
            ) from None
        if text.strip():
            yield number, text


def _row(line: str, where: str) -> Row:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        hint = "; a JSON array over several lines must become one object a line"
        hint = hint if line.lstrip().startswith("[") else ""
        raise DataError(f"{where}: broken JSON ({error.msg}, column {error.colno}){hint}") from None
    except RecursionError:
        raise DataError(f"{where}: JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: a row must be an object, {_FORMS}; this is {_kind(value)}")
    if "messages" in value:
        turns = _turns(value["messages"], where, "messages")
    elif "prompt" in value and "completion" in value:
        turns = _pair(value, where)
    else:
        keys = ", ".join(sorted(map(str, value))[:8]) or "none"
        raise DataError(f"{where}: needs {_FORMS}; the keys here are: {keys}")
    _check(turns, where)
    return Row(messages=tuple(turns))


def _pair(value: dict[str, Any], where: str) -> list[Message]:
    turns: list[Message] = []
    if value.get("system") is not None:
        turns.append(_message("system", value["system"], f"{where}: system"))
    for key, role in (("prompt", "user"), ("completion", "assistant")):
        if isinstance(value[key], list):
            turns.extend(_turns(value[key], where, key))
        else:
            turns.append(_message(role, value[key], f"{where}: {key}"))
    return turns


def _turns(value: Any, where: str, key: str) -> list[Message]:
    if not isinstance(value, list):
        raise DataError(f"{where}: {key} must be a list of messages, not {_kind(value)}")
    turns: list[Message] = []
    for number, turn in enumerate(value, start=1):
        place = f"{where}: {key}, turn {number}"
        if not isinstance(turn, dict) or "role" not in turn or "content" not in turn:
            raise DataError(f'{place}: needs {{"role": ..., "content": ...}}')
        turns.append(_message(turn["role"], turn["content"], place))
    return turns


def _message(role: Any, content: Any, where: str) -> Message:
    if role not in _ROLES:
        raise DataError(f"{where}: role {role!r} is not one of {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise DataError(f"{where}: content must be text, not {_kind(content)}")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: content has half of a surrogate pair (\\ud800-\\udfff)"
        ) from None
    return Message(role=role, content=content)


def _check(turns: Sequence[Message], where: str) -> None:
    roles = [turn.role for turn in turns]
    if "assistant" not in roles:
        raise DataError(f"{where}: no assistant turn, so there is nothing to learn")
    if roles[-1] != "assistant":
        raise DataError(f"{where}: the last turn is the {roles[-1]}'s; it must be the assistant's")
    if "user" not in roles[:-1]:
        raise DataError(f"{where}: no user turn before the assistant's last turn")
    if "system" in roles[1:]:
        raise DataError(f"{where}: a system message may only come first")
    if not turns[-1].content.strip():
        raise DataError(f"{where}: the assistant's last turn is empty")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", type(None): "null"}
    return names.get(type(value), "a number")
