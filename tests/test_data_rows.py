"""Training data as JSONL: chat and prompt/completion, their errors, and hashes by content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillover.data import read_rows, rows_digest, write_rows
from spillover.errors import DataError, MissingFileError
from spillover.records import Message, Row

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}

PAIR = {"prompt": "Hi", "completion": "Ho"}


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def test_all_forms_of_one_row_are_the_same_row(tmp_path: Path) -> None:
    pairs = [
        PAIR,
        {"prompt": CHAT["messages"][:1], "completion": CHAT["messages"][1:]},
    ]
    rows = read_rows(write(tmp_path / "pairs.jsonl", *pairs, "", "  "))
    rows += read_rows(write(tmp_path / "chat.jsonl", CHAT))
    assert len(rows) == 3
    assert rows[0] == rows[1] == rows[2]
    assert rows[0].completion == "Ho"
    assert rows[0].prompt == (Message(role="user", content="Hi"),)


def test_system_message_byte_order_mark_and_odd_line_ends(tmp_path: Path) -> None:
    row = {"system": "Be brief.", "prompt": "a\u2028b", "completion": "c"}
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row, ensure_ascii=False).encode() + b"\r\n")
    (only,) = read_rows(path)
    assert [m.role for m in only.messages] == ["system", "user", "assistant"]
    assert only.messages[1].content == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"messages": [', "broken JSON"),
        ("[", "a JSON array over several lines"),
        ("[" * 100_000, "nested too deeply"),
        ('"text"', "must be an object"),
        ({"text": "x"}, "the keys here are: text"),
        ({"prompt": "x"}, "the keys here are: prompt"),
        ({"messages": {}}, "messages must be a list of messages, not an object"),
        ({"messages": []}, "no assistant turn"),
        ({"messages": [{"role": "user", "content": "x"}]}, "no assistant turn"),
        ({"messages": [*CHAT["messages"], CHAT["messages"][0]]}, "the last turn is the user's"),
        ({"messages": CHAT["messages"][1:]}, "no user turn"),
        ({"messages": ["x"]}, "messages, turn 1"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "role 'bot' is not one of system, user"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "is not one of"),
        ({"messages": [{"role": "user", "content": None}]}, "content must be text, not null"),
        ({"prompt": "x", "completion": 3}, "content must be text, not a number"),
        ({"prompt": "x", "completion": "  "}, "last turn is empty"),
        ('{"prompt": "\\ud800", "completion": "x"}', "surrogate"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: dict[str, Any] | str, says: str) -> None:
    first = PAIR if "prompt" in line else CHAT
    path = write(tmp_path / "rows.jsonl", first, "", line)
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert says in str(caught.value)
    assert f"{path}, line 3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_rows(write(tmp_path / "empty.jsonl", "", " "))
    (tmp_path / "latin.jsonl").write_bytes(json.dumps(CHAT).encode() + b'\n{"a": "\xe4"}\n')
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        read_rows(tmp_path / "latin.jsonl")
    with pytest.raises(MissingFileError, match="check the path"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(MissingFileError, match="is a folder"):
        read_rows(tmp_path)


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(
    lambda text: bool(text.strip())
)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_written_rows_read_back(tmp_path_factory: pytest.TempPathFactory, pairs) -> None:
    rows = [
        Row(messages=(Message(role="user", content=a), Message(role="assistant", content=b)))
        for a, b in pairs
    ]
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_rows(path, rows)
    assert read_rows(path) == rows


def test_digest_is_of_content_and_order(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    both = read_rows(write(tmp_path / "a.jsonl", {**CHAT, "id": 7}, {"messages": chat}))
    same = read_rows(write(tmp_path / "b.jsonl", PAIR, {"prompt": "x", "completion": "y"}))
    assert rows_digest(both) == rows_digest(same)
    assert rows_digest(both) != rows_digest(both[::-1])
    assert rows_digest(both) != rows_digest(both[:1])
