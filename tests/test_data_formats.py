"""Training data in other formats and shapes: read by content, nothing lost, bad rows named."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spillover.data import load_rows, read_rows, rows_digest, write_rows
from spillover.errors import DataError, MissingExtraError
from spillover.records import Message, Row

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
SHAREGPT = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}
PAIR = {"prompt": "Hi", "completion": "Ho"}
ALPACA = {"instruction": "Hi", "output": "Ho"}
SHAPES = {"chat": CHAT, "ShareGPT": SHAREGPT, "prompt/completion": PAIR, "Alpaca": ALPACA}


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def turns(row: Row) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in row.messages]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_in_every_format_is_the_same_row(tmp_path: Path, shape: str) -> None:
    value = SHAPES[shape]
    expected = read_rows(jsonl(tmp_path / "chat.jsonl", CHAT)) * 2
    text = json.dumps([value, value], indent=1)
    pq.write_table(pa.Table.from_pylist([value, value]), tmp_path / "d")
    (tmp_path / "a").write_text("\n " + text, encoding="utf-8")
    (tmp_path / "b").write_bytes(gzip.compress(jsonl(tmp_path / "x", value, value).read_bytes()))
    (tmp_path / "c").write_bytes(gzip.compress(text.encode()))
    formats = {"a": "JSON array", "b": "gzip, JSONL", "c": "gzip, JSON array", "d": "Parquet"}
    for name, format in formats.items():  # the content says what a file is, not its name
        found = load_rows(tmp_path / name)
        assert (found.rows, found.shape, found.format) == (expected, shape, format)
        assert rows_digest(found.rows) == rows_digest(expected)


def test_systems_inputs_and_tasks(tmp_path: Path) -> None:
    value = {**ALPACA, "input": "you", "system": "Be brief."}
    (row,) = read_rows(jsonl(tmp_path / "a", value))
    assert turns(row) == [("system", "Be brief."), ("user", "Hi\n\nyou"), ("assistant", "Ho")]
    assert row.extra == {"input": "you"}
    (row,) = read_rows(jsonl(tmp_path / "b", {**ALPACA, "input": "", "system": ""}))
    assert turns(row) == [("user", "Hi"), ("assistant", "Ho")]
    spoken = [{"from": "system", "value": "S"}, *SHAREGPT["conversations"]]
    (row,) = read_rows(jsonl(tmp_path / "c", {"conversations": spoken, "system": "other"}))
    assert turns(row)[0] == ("system", "S")
    assert row.extra == {"system": "other"}
    (row,) = read_rows(jsonl(tmp_path / "d", {"conversations": CHAT["messages"]}))
    assert turns(row) == [("user", "Hi"), ("assistant", "Ho")]
    task = {"task": "Sum", "code_template": "def f", "code": "def f(): ...", "unsafe": 3}
    found = load_rows(jsonl(tmp_path / "e", task))
    assert found.shape == "code task"
    assert turns(found.rows[0]) == [("user", "Sum\n\ndef f"), ("assistant", "def f(): ...")]
    assert found.rows[0].extra == {"task": "Sum", "code_template": "def f", "unsafe": 3}


def test_columns_of_other_shapes_may_be_empty(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(
        [{**PAIR, "messages": None, "day": date(2020, 1, 2), "cost": Decimal("1.50"), "raw": b"\0"}],
        schema=pa.schema(
            [("prompt", pa.string()), ("completion", pa.string()), ("messages", pa.string()),
             ("day", pa.date32()), ("cost", pa.decimal128(5, 2)), ("raw", pa.binary())]
        ),
    )  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    (row,) = read_rows(tmp_path / "t.parquet")
    assert row.extra == {"day": "2020-01-02", "cost": "1.50", "raw": "AA=="}
    write_rows(tmp_path / "t.jsonl", [row])
    assert read_rows(tmp_path / "t.jsonl") == [row]


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(
    lambda text: bool(text.strip())
)
names = texts.filter(
    lambda name: (
        name not in ("role", "content", "from", "value", "messages", "conversations", "system")
        and name not in ("prompt", "completion", "instruction", "output", "input")
    )
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
extras = st.dictionaries(names, values, max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    system=st.none() | texts,
    ask=texts,
    reply=texts,
    extra=extras,
    turn_extra=extras,
)
def test_a_round_trip_loses_no_field(
    tmp_path_factory: pytest.TempPathFactory, shape, system, ask, reply, extra, turn_extra
) -> None:
    who, what, user, assistant = (
        ("from", "value", "human", "gpt")
        if shape == "ShareGPT"
        else ("role", "content", "user", "assistant")
    )
    talk = [{who: user, what: ask, **turn_extra}, {who: assistant, what: reply}]
    row: dict[str, Any] = {
        "chat": {"messages": talk},
        "ShareGPT": {"conversations": talk},
        "prompt/completion": {"prompt": ask, "completion": reply},
        "Alpaca": {"instruction": ask, "input": reply, "output": reply},
    }[shape]
    row = {**row, **extra, **({} if system is None else {"system": system})}
    folder = tmp_path_factory.mktemp("trip")
    (first,) = read_rows(jsonl(folder / "first", row))
    write_rows(folder / "second", [first])
    assert read_rows(folder / "second") == [first]
    assert Row.model_validate_json(first.model_dump_json()) == first
    written = json.loads((folder / "second").read_text(encoding="utf-8"))
    lead = [] if system is None else [{"role": "system", "content": system}]
    shown = f"{ask}\n\n{reply}" if shape == "Alpaca" else ask
    more = turn_extra if shape in ("chat", "ShareGPT") else {}
    assert written == {
        **extra,
        **({"input": reply} if shape == "Alpaca" else {}),
        "messages": [
            *lead,
            {"role": "user", "content": shown, **more},
            {"role": "assistant", "content": reply},
        ],
    }


def test_an_extra_field_can_not_take_the_place_of_the_conversation() -> None:
    talk = (Message(role="user", content="Hi"), Message(role="assistant", content="Ho"))
    for fields in (
        {"extra": {"messages": []}},
        {"turn_extra": ({"content": "x"}, {})},
        {"turn_extra": ({},)},
    ):
        with pytest.raises(ValueError, match="extra"):
            Row(messages=talk, **fields)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"conversations": [{"from": "bot", "value": "x"}]}, "from 'bot' is not one of human, gpt"),
        ({"conversations": [{"from": "human", "text": "x"}]}, 'needs {"from": ..., "value": ...}'),
        ({"conversations": SHAREGPT["conversations"][:1]}, "no assistant turn"),
        ({"conversations": "x"}, "conversations must be a list of messages, not text"),
        ({"instruction": "x"}, "the keys here are: instruction"),
        ({"instruction": "x", "output": ""}, "the assistant's last turn is empty"),
        ({"instruction": "x", "output": None}, "output is null; Alpaca rows need it"),
        ({"instruction": "x", "input": 3, "output": "y"}, "input: content must be text"),
        ({**PAIR, "system": 3}, "system: content must be text, not a number"),
        ({"task": "x", "code_template": "y"}, "the keys here are: code_template, task"),
        ({**PAIR, "note": ["\ud800"]}, "an extra field: content has half of a surrogate"),
    ],
)
def test_a_bad_row_is_named_by_file_place_and_reason(tmp_path: Path, row: Any, says: str) -> None:
    good = next((v for v in SHAPES.values() if set(v) & set(row)), PAIR)
    lines = jsonl(tmp_path / "rows.jsonl", good, row)
    array = tmp_path / "rows.json"
    array.write_text(f"[{json.dumps(good)},\n\n{json.dumps(row)}]", encoding="utf-8")
    for path, where in ((lines, f"{lines}, line 2: "), (array, f"{array} (JSON array), line 3: ")):
        with pytest.raises(DataError) as caught:
            read_rows(path)
        assert str(caught.value).startswith(where)
        assert says in str(caught.value)


def test_a_mixture_of_shapes_names_the_first_line_of_another_shape(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", CHAT, CHAT, ALPACA, CHAT)
    with pytest.raises(DataError, match=r"line 3: this row has the shape Alpaca .* it chat"):
        read_rows(path)
    found = load_rows(path, skip_bad=True)
    assert (len(found.rows), found.shape, len(found.skipped)) == (3, "chat", 1)


def test_bad_rows_are_left_out_on_request_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = ["{oops", json.dumps(PAIR), json.dumps({"prompt": "x", "completion": " "}), '"x"']
    path.write_bytes("\n".join([*lines, json.dumps(PAIR)]).encode() + b"\n\xff\n")
    with pytest.raises(DataError, match="line 1: broken JSON"):
        load_rows(path)
    found = load_rows(path, skip_bad=True)
    assert [place.split(":")[0] for place in found.skipped] == [
        "line 1",
        "line 3",
        "line 4",
        "line 6",
    ]
    assert len(found.rows) == 2
    assert found.note is not None
    assert "4 of 6 rows" in found.note
    assert "line 1: broken JSON" in found.note
    assert load_rows(jsonl(tmp_path / "good", PAIR), skip_bad=True).note is None
    bad = jsonl(tmp_path / "bad", {"text": "x"}, {"text": "y"})
    with pytest.raises(DataError, match="none of the 2 rows"):
        load_rows(bad, skip_bad=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "is empty"),
        ("  \n", "is empty"),
        ("[" + json.dumps(PAIR) + ",\n{oops}]", "line 2: broken JSON"),
        ("[" + json.dumps(PAIR) + "\n" + json.dumps(PAIR) + "]", "line 2: broken JSON"),
        ("[" + json.dumps(PAIR), "line 1: broken JSON"),
        ("[" + json.dumps(PAIR) + ",\n\n", "line 3: broken JSON"),
        ("[" + "[" * 100_000, "nested too deeply"),
        ("[" + json.dumps(PAIR) + ",\n" + "1" * 5000 + "]", "line 2: JSON that can't be read"),
    ],
)
def test_broken_arrays(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "rows.json").write_text(text, encoding="utf-8")
    for skip in (False, True):  # what is broken as a whole can't be left out
        with pytest.raises(DataError, match=says):
            load_rows(tmp_path / "rows.json", skip_bad=skip)


def test_broken_gzip_and_parquet(tmp_path: Path) -> None:
    whole = gzip.compress(
        jsonl(tmp_path / "x", *[{**PAIR, "n": n} for n in range(999)]).read_bytes()
    )
    cases = {"cut": whole[:-200], "crc": whole[:-8] + bytes(8), "head": b"\x1f\x8b\x08"}
    for name, raw in cases.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DataError, match=rf"{name} \(gzip\) (ends too early|is broken)"):
            load_rows(tmp_path / name, skip_bad=True)
    (tmp_path / "p").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="broken Parquet"):
        read_rows(tmp_path / "p")
    pq.write_table(pa.table({"text": ["x"], "label": [1]}), tmp_path / "q")
    with pytest.raises(DataError, match=r"q \(Parquet\), row 1: needs .* are: label, text"):
        read_rows(tmp_path / "q")
    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "r")
    with pytest.raises(DataError, match="is empty"):
        read_rows(tmp_path / "r")


def test_what_a_format_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"prompt": ["x"]}), tmp_path / "p")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    for source in (tmp_path / "p", "hf:owner/name"):
        with pytest.raises(MissingExtraError, match=r"spillover\[local\]"):
            read_rows(source)


def test_reading_jsonl_imports_neither_torch_nor_arrow(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", PAIR)
    code = (
        "import sys; from spillover.data import read_rows; read_rows(sys.argv[1]);"
        "print([m for m in ('torch', 'pyarrow', 'datasets', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
