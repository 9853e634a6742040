"""The shapes that training rows come in: which one a row has, and the conversation it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from spillover.errors import DataError
from spillover.records import Message, Row

_ROLES: tuple[str, ...] = get_args(Message.model_fields["role"].annotation)
_SHAREGPT: Mapping[str, str] = {"human": "user", "gpt": "assistant", **{r: r for r in _ROLES}}
_CHAT: Mapping[str, str] = {role: role for role in _ROLES}


class _Turn(NamedTuple):
    message: Message
    extra: dict[str, Any]


class Shape(NamedTuple):
    """One shape of rows.

    ``keys`` must all be there, ``used`` are those whose whole content is in the conversation.
    """

    name: str
    keys: tuple[str, ...]
    used: tuple[str, ...]
    turns: Callable[[dict[str, Any]], list[_Turn]]


def shape_of(value: Any) -> Shape:
    """Return the shape of a row; where the keys of several are there, the first of `SHAPES`.

    Raises:
        DataError: it has none of them; the message names the keys that it has.
    """
    if not isinstance(value, dict):
        raise DataError(f"a row must be an object, {FORMS}; this is {_kind(value)}")
    for shape in SHAPES:
        # a table of several shapes leaves the columns of the others empty
        if all(value.get(key) is not None for key in shape.keys):
            return shape
    for shape in SHAPES:
        empty = [key for key in shape.keys if key in value and value[key] is None]
        if empty and all(key in value for key in shape.keys):
            raise DataError(f"{empty[0]} is null; {shape.name} rows need it")
    keys = ", ".join(sorted(map(str, value))[:8]) or "none"
    raise DataError(f"needs {FORMS}; the keys here are: {keys}")


def to_row(value: dict[str, Any], shape: Shape) -> Row:
    """Return the row that a value of this shape stands for; what it does not use is kept as extra.

    Raises:
        DataError: the message names what is wrong and what is allowed.
    """
    turns = shape.turns(value)
    used = {*shape.used, "messages"}  # the name under which the conversation is written again
    system = value.get("system")
    has_system = bool(turns) and turns[0].message.role == "system"
    if system is not None and system != "" and not has_system:
        turns.insert(0, _Turn(_message("system", system, "system"), {}))
        used.add("system")
    _check([turn.message.role for turn in turns], turns)
    extra = {str(key): one for key, one in value.items() if key not in used}
    turn_extra = tuple(turn.extra for turn in turns) if any(t.extra for t in turns) else ()
    if extra or turn_extra:
        _check_text([extra, turn_extra])
    return Row(messages=tuple(t.message for t in turns), extra=extra, turn_extra=turn_extra)


def _chat(value: dict[str, Any]) -> list[_Turn]:
    return _turns(value["messages"], "messages", ("role", "content"), _CHAT)


def _pair(value: dict[str, Any]) -> list[_Turn]:
    turns: list[_Turn] = []
    for key, role in (("prompt", "user"), ("completion", "assistant")):
        if isinstance(value[key], list):
            turns.extend(_turns(value[key], key, ("role", "content"), _CHAT))
        else:
            turns.append(_Turn(_message(role, value[key], key), {}))
    return turns


def _sharegpt(value: dict[str, Any]) -> list[_Turn]:
    turns = value["conversations"]
    first = turns[0] if isinstance(turns, list) and turns else None
    plain = isinstance(first, dict) and "role" in first and "from" not in first
    keys = ("role", "content") if plain else ("from", "value")
    return _turns(turns, "conversations", keys, _SHAREGPT)


def _alpaca(value: dict[str, Any]) -> list[_Turn]:
    ask = _text(value["instruction"], "instruction")
    if value.get("input") is not None and (more := _text(value["input"], "input")):
        ask = f"{ask}\n\n{more}"
    return _two(ask, value["output"], "output")


def _code_task(value: dict[str, Any]) -> list[_Turn]:
    task, template = _text(value["task"], "task"), _text(value["code_template"], "code_template")
    return _two(f"{task}\n\n{template}", value["code"], "code")


def _two(ask: str, reply: Any, key: str) -> list[_Turn]:
    return [
        _Turn(Message(role="user", content=ask), {}),
        _Turn(_message("assistant", reply, key), {}),
    ]


# `input`, `task` and `code_template` are kept: where one text is made of two, the seam would be lost
SHAPES: tuple[Shape, ...] = (
    Shape("chat", ("messages",), ("messages",), _chat),
    Shape("ShareGPT", ("conversations",), ("conversations",), _sharegpt),
    Shape("prompt/completion", ("prompt", "completion"), ("prompt", "completion"), _pair),
    Shape("Alpaca", ("instruction", "output"), ("instruction", "output"), _alpaca),
    Shape("code task", ("task", "code_template", "code"), ("code",), _code_task),
)
FORMS = "one of the shapes " + "; ".join(f"{s.name} ({', '.join(s.keys)})" for s in SHAPES)


def _turns(value: Any, key: str, names: tuple[str, str], roles: Mapping[str, str]) -> list[_Turn]:
    if not isinstance(value, list):
        raise DataError(f"{key} must be a list of messages, not {_kind(value)}")
    who, what = names
    turns: list[_Turn] = []
    for number, turn in enumerate(value, start=1):
        place = f"{key}, turn {number}"
        if not isinstance(turn, dict) or who not in turn or what not in turn:
            raise DataError(f'{place}: needs {{"{who}": ..., "{what}": ...}}')
        role = turn[who]
        if not isinstance(role, str) or role not in roles:
            raise DataError(f"{place}: {who} {role!r} is not one of {', '.join(roles)}")
        extra = {str(k): one for k, one in turn.items() if k not in names}
        turns.append(_Turn(_message(roles[role], turn[what], place), extra))
    return turns


def _message(role: Any, content: Any, where: str) -> Message:
    return Message(role=role, content=_text(content, where))


def _text(content: Any, where: str) -> str:
    if not isinstance(content, str):
        raise DataError(f"{where}: content must be text, not {_kind(content)}")
    _check_text(content, where)
    return content


def _check_text(value: Any, where: str = "an extra field") -> None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: content has half of a surrogate pair (\\ud800-\\udfff)"
        ) from None


def _check(roles: list[str], turns: list[_Turn]) -> None:
    if "assistant" not in roles:
        raise DataError("no assistant turn, so there is nothing to learn")
    if roles[-1] != "assistant":
        raise DataError(f"the last turn is the {roles[-1]}'s; it must be the assistant's")
    if "user" not in roles[:-1]:
        raise DataError("no user turn before the assistant's last turn")
    if "system" in roles[1:]:
        raise DataError("a system message may only come first")
    if not turns[-1].message.content.strip():
        raise DataError("the assistant's last turn is empty")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", type(None): "null"}
    return names.get(type(value), "a number")
