"""Hugging Face data sets as training rows: from folders, and by names that are no names."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillover.data import load_rows, names_rows, parse_hub, read_rows
from spillover.errors import DataError, MissingFileError

PAIR = {"prompt": "Hi", "completion": "Ho"}


def test_hugging_face_data_sets_saved_in_folders(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    one = Dataset.from_list([PAIR, {"prompt": "x", "completion": "y"}])
    one.save_to_disk(tmp_path / "one")
    DatasetDict({"test": one}).save_to_disk(tmp_path / "two")
    found = load_rows(f"hf:{tmp_path / 'one'}")
    assert (len(found.rows), found.format) == (2, "Hugging Face data set")
    assert read_rows(f"hf:{tmp_path / 'two'}:test") == found.rows
    with pytest.raises(DataError, match=r"no split 'train': there are test"):
        read_rows(f"hf:{tmp_path / 'two'}")
    with pytest.raises(MissingFileError, match="hf:"):
        read_rows(tmp_path / "one")
    with pytest.raises(DataError, match="no name of a Hugging Face data set"):
        read_rows("hf:a/b/c/d")


def test_names_of_data_sets() -> None:
    assert parse_hub("hf:owner/name") == ("owner/name", None, "train")
    assert parse_hub("hf:owner/name/config:test") == ("owner/name", "config", "test")
    for text in ("hf:", "hf:owner/", "hf:owner/name:"):
        with pytest.raises(DataError, match="hf:OWNER/NAME"):
            parse_hub(text)
    named = {"a.jsonl", "a.jsonl.gz", "a.json", "a.parquet", "hf:a/b"}
    assert {n for n in (*named, "a", "a.gz", "toy:a", "script:a.yaml") if names_rows(n)} == named
