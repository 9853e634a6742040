"""YAML files to records: where it is broken, which fields are allowed, none given twice."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

from spillover.errors import ConfigError
from spillover.files import read_text
from spillover.records import Record

if TYPE_CHECKING:
    from yaml import SafeLoader as Fastest
else:  # libyaml is ten times as fast, and not built everywhere
    Fastest = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

RecordT = TypeVar("RecordT", bound=Record)
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key that is given twice is an error."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    value: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        try:
            twice = key in value
        except TypeError:
            raise yaml.MarkedYAMLError(
                problem="a list or mapping can't be a key", problem_mark=key_node.start_mark
            ) from None
        if twice:
            raise yaml.MarkedYAMLError(
                problem=f"{key!r} is given twice", problem_mark=key_node.start_mark
            )
        value[key] = loader.construct_object(value_node, deep=True)
    return value


class _Fast(Fastest):
    """The same, by libyaml where that is there."""


for _class in (_Loader, _Fast):
    _class.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, path: Path, *, first_line: int = 1) -> Any:
    """Return the value of a YAML text.

    Args:
        text: the YAML.
        path: the file it came from, for messages.
        first_line: the line of the file on which ``text`` begins.

    Raises:
        ConfigError: broken YAML; the message names file and line.
    """
    with suppress(yaml.YAMLError, RecursionError, ValueError):
        return yaml.load(text, Loader=_Fast)  # noqa: S506 a SafeLoader
    try:  # again, since this one knows better where and why
        return yaml.load(text, Loader=_Loader)  # noqa: S506 a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + first_line}" if mark else ""
        raise ConfigError(f"{path}{line}: broken YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: broken YAML: {error}") from None


def yaml_lines(text: str) -> list[int]:
    """Return the line on which each element of a YAML list begins; none if it is no list."""
    node = yaml.compose(text, Loader=_Loader)
    if not isinstance(node, yaml.SequenceNode):
        return []
    return [element.start_mark.line + 1 for element in node.value]


def read_fields(path: Path) -> dict[str, Any]:
    """Return the fields of a YAML file, which must be a mapping.

    Raises:
        MissingFileError, ConfigError: no such file, or broken YAML, or no mapping.
    """
    return fields_of(parse_yaml(read_text(path), path), path)


class FrontMatter(NamedTuple):
    """A Markdown file in parts; ``id`` is its name, ``line`` the one on which the body begins."""

    id: str
    fields: dict[str, Any]
    body: str
    line: int


def read_front_matter(path: Path) -> FrontMatter:
    """Read a Markdown file that begins with fields between two lines of ``---``.

    Raises:
        MissingFileError, ConfigError: no such file, a name that can't be an id, no front matter,
            or it is broken.
    """
    text = read_text(path)
    match = re.match(r"---[ \t]*\n(.*?\n)---[ \t]*(?:\n|$)(.*)", text, re.DOTALL)
    if match is None:
        raise ConfigError(f"{path}: needs front matter between two lines of '---', then the text")
    fields = fields_of(parse_yaml(match[1], path, first_line=2), path)
    return FrontMatter(id_of(path), fields, match[2], text.count("\n", 0, match.start(2)) + 1)


def id_of(path: Path) -> str:
    """Return the id that a file's name gives; raise `ConfigError` if it can't be one."""
    if not _ID.fullmatch(path.stem):
        raise ConfigError(
            f"{path}: a file's name is its id: lower-case letters, digits, '_' and '-' only"
        )
    return path.stem


def fields_of(value: Any, path: Path) -> dict[str, Any]:
    """Return ``value`` as fields; raise `ConfigError` if it is no mapping."""
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: needs fields ('name: value' lines), not {type(value).__name__}")
    return {str(key): field for key, field in value.items()}


def build_record(
    record: type[RecordT], fields: Any, path: Path, *, where: str | None = None
) -> RecordT:
    """Return the record that the fields of a file describe.

    Args:
        record: what to build.
        fields: its fields, as read.
        path: the file, for messages.
        where: file and line in place of ``path``, if known.

    Raises:
        ConfigError: an unknown field (the nearest and the allowed ones are named), or a wrong value.
    """
    if not isinstance(fields, Mapping):
        raise ConfigError(f"{path}: {fields!r} must be fields of {record.__name__}")
    try:
        return record.model_validate(dict(fields))
    except ValidationError as error:
        raise ConfigError(f"{where or path}: {_explain(record, error)}") from None


def _explain(record: type[Record], error: ValidationError) -> str:
    lines: list[str] = []
    for one in error.errors(include_url=False):
        place = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            lines.append(unknown("field", place, _allowed(record, one["loc"][:-1])))
        else:
            hint = " (put it in quotes)" if one["type"] == "string_type" else ""
            got = "" if one["type"] == "missing" else f", not {one['input']!r}"
            if one["type"] == "tuple_type":
                lines.append(f"{place}: needs a list, such as [{one['input']}]{got}")
                continue
            lines.append(f"{place}: {one['msg']}{got}{hint}")
    return "; ".join(lines)


def _allowed(record: type[Record], path: tuple[int | str, ...]) -> list[str]:
    owner: Any = record
    for part in path:
        field = getattr(owner, "model_fields", {}).get(str(part))
        owner = field.annotation if field else None
    # a file's name and its text give these two, so they are no fields of the file
    return [
        name
        for name in getattr(owner, "model_fields", {})
        if name not in ("id", "paraphrases", "text")
    ]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return ``no WHAT 'name'; did you mean ...? known: ...`` with at most 20 known names."""
    known = sorted(known)
    near = difflib.get_close_matches(name.rpartition(".")[2], known, n=3)
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    more = f", ... ({len(known)} in all)" if len(known) > 20 else ""
    return f"no {what} {name!r}{meant}; known: {', '.join(known[:20])}{more}"
