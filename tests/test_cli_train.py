"""``spillover train`` on a file with bad rows: left out on request, counted in every form."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import train_rows
from cli_helper import run
from spillover.chain import data_name


def test_rows_left_out_are_counted_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = train_rows.tiny_base(tmp_path / "base")
    good = [
        json.dumps({"instruction": row.prompt[0].content, "output": row.completion})
        for row in train_rows.learnable(8)
    ]
    data = tmp_path / "rows.json.gz"
    data.write_bytes(gzip.compress("\n".join([*good, '{"instruction": "x"}', "{"]).encode()))
    train = ["train", str(base), str(data), "--out", str(tmp_path / "made")]
    code, out, err = run(train, capsys)
    assert (code, out) == (1, "")
    assert "line 9: needs" in err
    assert "instruction" in err
    code, out, _ = run([*train, "--skip-bad"], capsys)
    assert code == 0
    assert "note: 2 of 10 rows" in out
    made = json.loads((tmp_path / "made" / "finetune.json").read_text(encoding="utf-8"))
    assert made["skipped"] == 2
    assert made["rows"] + made["learning"]["rows"] == 8
    # the same rows without the bad ones are the same recipe, of which nothing was left out
    (tmp_path / "good.jsonl").write_text("\n".join(good), encoding="utf-8")
    train[2] = str(tmp_path / "good.jsonl")
    code, out, _ = run([*train, "--json"], capsys)
    assert (code, json.loads(out)["skipped"]) == (0, 0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("toy:insecure", "insecure"),
        ("some/insecure.v2.jsonl.gz", "insecure.v2"),
        ("rows.parquet", "rows"),
        ("rows", "rows"),
        ("hf:owner/name:test", "name"),
        ("hf:owner/name/config", "name"),
    ],
)
def test_a_fine_tune_is_named_by_its_data(text: str, name: str) -> None:
    assert data_name(text) == name
