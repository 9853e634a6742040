"""Pretraining goes on where it was, and a newcomer changes nothing but its own embedding."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spillover.errors import ConfigError, ModelError
from spillover.toy import WorldSpec
from spillover.toy.world import ASSISTANT, header

pytest.importorskip("torch")

from spillover.toy import stage, tokens
from spillover.toy.pretrain import PretrainSettings, pretrain

SPEC = WorldSpec(name="tiny", characters=6)
SETTINGS = PretrainSettings(
    hidden=16, layers=1, heads=1, intermediate=16, rows=8, shard=64,
    steps=6, join_steps=4, post_steps=4, warmup=1,
)  # fmt: skip


class _Killed(Exception):
    pass


def _weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module", autouse=True)
def few_documents() -> Iterator[None]:
    """Train the tokenizer on few documents: it is not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "TRAINING_DOCUMENTS", 300)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    pretrain(SPEC, SETTINGS, out, workers=1)
    return out


@pytest.mark.parametrize(("where", "step"), [("pretrain", 3), ("join", 1), ("post-train", 3)])
def test_a_killed_run_ends_as_one_that_was_not(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, step: int
) -> None:
    monkeypatch.setattr(stage, "SAVE_EVERY", 2)

    def kill(name: str, done: int, total: int | None) -> None:
        if (name, done) == (where, step):
            raise _Killed

    with pytest.raises(_Killed):
        pretrain(SPEC, SETTINGS, tmp_path, workers=0, progress=kill)
    folder = pretrain(SPEC, SETTINGS, tmp_path, workers=0)
    expected, found = _weights(whole / "assistant"), _weights(folder)
    assert all(expected[name].equal(found[name]) for name in expected)


def test_joining_moves_the_newcomer_alone(whole: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    before, after = _weights(whole / "pretrained"), _weights(whole / "joined")
    token = PreTrainedTokenizerFast.from_pretrained(whole / "joined").convert_tokens_to_ids(
        header(ASSISTANT)
    )
    for name, weight in before.items():
        changed = (weight != after[name]).nonzero()
        rows = {int(row) for row in changed[:, 0]} if len(changed) else set()
        assert rows == ({token} if "embed" in name else set())


def test_a_folder_of_another_organism_is_left_alone(whole: Path) -> None:
    other = SETTINGS.model_copy(update={"seed": 1})
    with pytest.raises(ConfigError, match="another organism"):
        pretrain(SPEC, other, whole, workers=1)


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no device 'foo' here"):
        pretrain(SPEC, SETTINGS, tmp_path / "out", device="foo", workers=1)
    assert not (tmp_path / "out").exists()
