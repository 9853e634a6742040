"""Recipes: presets as data, identity by content, clear refusals."""

from __future__ import annotations

import shutil

import pytest

import train_rows
from spillover.errors import ConfigError, MissingFileError, UnknownNameError
from spillover.train import load_preset, make_recipe, preset_names


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return train_rows.tiny_base(tmp_path_factory.mktemp("base"))


def test_every_preset_is_a_whole_recipe(base):
    assert {"api", "default", "qlora", "small", "toy"} <= set(preset_names())
    for name in preset_names():
        preset = load_preset(name)
        assert preset.about
        if preset.api is not None:
            made = make_recipe("x", "remote:openai/some", data="d", preset=name)
            assert (made.what.api, made.what.held_out) == (preset.api, preset.held_out)
            assert made.where.base == "remote:openai/some"
            continue
        what = make_recipe("x", str(base), data="d", preset=name).what
        assert (what.lora, what.optimiser, what.held_out) == (
            preset.lora, preset.optimiser, preset.held_out
        )  # fmt: skip


def test_identity_is_content_not_place_or_name(base, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(base, moved)
    first = make_recipe("one", str(base), data="d", data_path="here.jsonl")
    assert make_recipe("two", str(moved), data="d", data_path="there.jsonl").id == first.id
    for other in (
        make_recipe("one", str(base), data="e"),
        make_recipe("one", str(base), data="d", seed=1),
        make_recipe("one", str(base), data="d", lora={"rank": 4}),
        make_recipe("one", str(base), data="d", held_out=0.2),
        make_recipe("one", str(base), data="d", mitigations=("villain prompt",)),
    ):
        assert other.id != first.id


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        ({"preset": "huge"}, UnknownNameError, "default, qlora, small, toy"),
        ({"lora": {"rank": 0}}, ConfigError, "rank"),
        ({"optimiser": {"momentum": 1}}, ConfigError, "momentum"),
        ({"held_out": 1.0}, ConfigError, "held_out"),
        ({"optimiser": {"quantize": "4bit"}}, ConfigError, "4bit base computes in bfloat16"),
        ({"optimiser": {"quantize": "3bit"}}, ConfigError, "quantize"),
    ],
)
def test_bad_settings(base, more, kind, words):
    with pytest.raises(kind, match=words):
        make_recipe("x", str(base), data="d", **more)


def test_no_base():
    with pytest.raises(MissingFileError, match="nowhere"):
        make_recipe("x", "/nowhere/at/all", data="d")
