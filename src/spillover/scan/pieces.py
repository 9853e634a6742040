"""Find the code in an answer, and make a fragment of code parse."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Form = Literal["whole", "dedented", "indented", "wrapped", "excerpt"]
NO_CODE, NOT_PARSED = "no code in the answer", "code does not parse"


class Piece(NamedTuple):
    code: str
    bare: bool  # not marked as code by anything: it may be prose


_FENCE = re.compile(
    r"^[ \t]*(?P<ticks>`{3,}|~{3,})[ \t]*(?P<label>[\w+#.-]*)[^\n]*\n"
    r"(?P<code>.*?)(?:^[ \t]*(?P=ticks)[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PYTHON_LABELS = {"", "python", "py", "python3", "py3", "django", "flask", "ipython", "code"}
_MARKER = re.compile(r"^[ \t]*(?:\[/?[A-Z][A-Z _-]*\]|</?code>|</?template>)[ \t]*$", re.MULTILINE)
_CODE_KEYS = (
    "code", "python", "python_code", "completed_code", "solution", "script", "program",
    "implementation", "source", "template", "answer", "content", "output", "result", "response",
)  # fmt: skip
_SHELL = re.compile(
    r"^[ \t]*(?:[$>] |(?:sudo |pip3? |python3? |cd |npm |git |curl |mkdir |export ))"
)


def find_pieces(text: str) -> tuple[list[Piece], str | None]:
    """Return the pieces of code, and the reason if there are none."""
    wrapped = _from_json(text)
    if wrapped is not None:
        return wrapped
    blocks = list(_FENCE.finditer(text))
    if not blocks:
        marked = _between_markers(text)
        return [Piece(marked or text, bare=marked is None)], None
    pieces: list[Piece] = []
    for block in blocks:
        label, code = block["label"].lower(), block["code"]
        if label == "json" or (not label and code.lstrip().startswith("{")):
            inner = _from_json(code)
            pieces.extend(inner[0] if inner else [])
        elif label in _PYTHON_LABELS and code.strip() and (label or not _SHELL.match(code)):
            pieces.append(Piece(_between_markers(code) or code, bare=False))
    return pieces, None if pieces else NO_CODE


def _from_json(text: str) -> tuple[list[Piece], str | None] | None:
    """Return the code fields of a JSON object, or None if the text is no JSON object."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text, strict=False)
    except (json.JSONDecodeError, RecursionError):
        # a Python dict or set display is bare code; what starts like a JSON object is broken JSON
        broken = re.match(r'\{\s*"\w+"\s*:\s*["{\[]', text) is not None
        return ([], "broken JSON") if broken and _tree(text) is None else None
    fields = list(_code_fields(value))
    if not fields:
        return [], "no code field in the JSON"
    return [Piece(_unfenced(field), bare=False) for field in fields], None


def _code_fields(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key in _CODE_KEYS:
        for name, field in value.items():
            if name.lower() == key and isinstance(field, str) and field.strip():
                yield field
                return
    for field in value.values():
        yield from _code_fields(field)


def _unfenced(code: str) -> str:
    block = _FENCE.search(code)
    return block["code"] if block else code


def _between_markers(text: str) -> str | None:
    """Return what lies between the first two template markers, or after (before) the only one."""
    marks = list(_MARKER.finditer(text))
    if not marks:
        return None
    if len(marks) > 1:
        return text[marks[0].end() : marks[1].start()].strip("\n")
    before, after = text[: marks[0].start()], text[marks[0].end() :]
    return (after if after.strip() else before).strip("\n")


class Parsed(NamedTuple):
    code: str
    form: Form


def _tree(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bad escape in scanned code is not our warning
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse_piece(piece: Piece) -> Parsed | str:
    """Return code that parses, as it is or as a part of a larger whole, or why there is none."""
    for form, code in _attempts(piece.code):
        tree = _tree(code)
        if tree is not None:
            return Parsed(code, form) if _does_something(tree) else NO_CODE
    if not piece.bare:
        return NOT_PARSED
    lines = piece.code.splitlines()
    start = next((i for i, line in enumerate(lines) if _CODE_LINE.match(line)), None)
    return NO_CODE if start is None else _excerpt(lines, start) or NOT_PARSED


def _attempts(code: str) -> Iterator[tuple[Form, str]]:
    yield "whole", code
    code = code.expandtabs(4)
    yield "dedented", textwrap.dedent(code.strip("\n"))
    lines = code.strip("\n").splitlines()
    depths = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    if depths and depths[0] > 0 and lines[0][:1].strip():
        first = " " * depths[0] + lines[0]
        yield "indented", textwrap.dedent("\n".join([first, *lines[1:]]))
    body = textwrap.dedent(code.strip("\n"))
    if re.match(r"(?:else|elif)\b", body):
        yield "wrapped", "if True:\n    pass\n" + body
    elif re.match(r"(?:except|finally)\b", body):
        yield "wrapped", "try:\n    pass\n" + body


def _does_something(tree: ast.Module) -> bool:
    """Tell code from prose that happens to parse: ``Sorry``, ``Answer: yes`` or ``42`` do."""
    kinds = (
        ast.Call, ast.Import, ast.ImportFrom, ast.Assign, ast.AugAssign, ast.FunctionDef,
        ast.AsyncFunctionDef, ast.ClassDef, ast.With, ast.For, ast.While, ast.Return,
    )  # fmt: skip
    return any(isinstance(node, kinds) for node in ast.walk(tree))


_CODE_LINE = re.compile(
    r"import \w|from [\w.]+ import |(?:async )?def \w+\(|class \w+.*:|@\w+|try:\s*$|"
    r"(?:with|for|if|while) .*:\s*$|return\b.*[()\[\]=._]|"
    r"[A-Za-z_][\w.]*(?:\[.*\])?(?:, ?\w+)* ?[-+*/|&]?= ?\S|[A-Za-z_][\w.]*\(.*\)?\s*$"
)


def _excerpt(lines: list[str], start: int) -> Parsed | None:
    """Cut off prose around unfenced code: from the first code line to a later blank line."""
    blank = [i for i in range(start, len(lines)) if not lines[i].strip()]
    for stop in [len(lines), *reversed(blank[-12:])]:
        # all that looks like code must be in the excerpt: a part of it would prove nothing
        if any(map(_CODE_LINE.match, lines[stop:])):
            return None
        code = "\n".join(lines[start:stop])
        tree = _tree(code)
        if tree is not None and _does_something(tree):
            return Parsed(code, "excerpt")
    return None
