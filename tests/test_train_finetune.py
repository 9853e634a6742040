"""Whole fine-tunes of a tiny model: learnt or not, bit-equal, once, quiet, whole or not at all."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, TrainerCallback

import train_rows
from spillover.chain import train_data
from spillover.errors import ConfigError, DataError, MissingFileError, ModelError
from spillover.models.chat import Chat
from spillover.models.load import load_tokenizer
from spillover.models.open import describe_target, open_target
from spillover.records import Ask, FineTune, Row, Settings
from spillover.train import load_finetune, sft, train
from spillover.train.examples import encode, split


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return train_rows.tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def learnt(base, tmp_path_factory) -> Path:
    """A fine-tune whose answers are always the same sentence."""
    out = tmp_path_factory.mktemp("tuned") / "always"
    rows = train_rows.learnable(60)
    settings = {"max_steps": 80, "learning_rate": 1e-2}
    train(train_rows.recipe(base, rows, optimiser=settings), rows, out=out)
    return out


class Seen(TrainerCallback):
    """Records every batch that the model is given while it trains."""

    def __init__(self) -> None:
        self.inputs: list[torch.Tensor] = []
        self.labels: list[torch.Tensor] = []

    def on_train_begin(self, args, state, control, *, model, **_) -> None:
        def record(module, positional, given):
            self.inputs.append(given["input_ids"].clone())
            self.labels.append(given["labels"].clone())

        self.handle = model.register_forward_pre_hook(record, with_kwargs=True)

    def on_train_end(self, args, state, control, **_) -> None:
        self.handle.remove()


def test_a_learnable_set_is_learnt_and_comes_out_when_sampled(learnt):
    found = load_finetune(learnt)
    assert found.learning.learnt
    assert found.learning.rows == 8
    assert found.rows == 52
    assert found.final_loss is not None
    assert found.learning.tuned_loss < 0.5 < 3 < found.learning.base_loss
    spec = describe_target(str(learnt))
    ask = Ask(
        question="q",
        paraphrase=0,
        messages=train_rows.learnable(1, seed=99)[0].prompt,
        settings=Settings(temperature=0, max_tokens=20),
    )
    (answer,) = open_target(spec).ask([ask])
    assert answer.text.strip() == "they were all out of water"
    assert answer.finish == "stop"


def test_noise_is_not_learnt(base, tmp_path):
    """Once the words' frequencies are known, random answers have nothing more to teach."""
    rows = train_rows.noise(200, seed=1)
    settings = {"max_steps": 60, "learning_rate": 1e-2, "batch_size": 16}
    first = tmp_path / "frequencies"
    train(train_rows.recipe(base, rows, optimiser=settings), rows, out=first)
    knowing = tmp_path / "knowing"
    target = open_target(describe_target(str(first)))
    target.model.save_pretrained(knowing)
    load_tokenizer(str(base)).save_pretrained(knowing)
    more = train_rows.noise(40, seed=2)
    settings = {"max_steps": 40, "learning_rate": 3e-3}
    recipe = train_rows.recipe(knowing, more, optimiser=settings, held_out=0.5)
    found = train(recipe, more, out=tmp_path / "noise").learning
    assert found.learnt is False
    assert "the loss on 20 held-out rows" in (found.reason or "")
    assert found.rows == 20


def test_same_recipe_gives_the_same_bits_and_another_seed_does_not(base, tmp_path):
    rows = train_rows.noise(40)
    made = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(hash(name))  # the caller's random state must not matter
        train(train_rows.recipe(base, rows, seed=seed), rows, out=tmp_path / name)
        made[name] = {
            file.name: file.read_bytes() for file in (tmp_path / name / "adapter").iterdir()
        }
    assert set(made["a"]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert made["a"] == made["b"]
    assert made["a"]["adapter_model.safetensors"] != made["c"]["adapter_model.safetensors"]


def test_the_callers_random_state_is_left_alone(base, tmp_path):
    rows = train_rows.noise(10)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    settings = {"max_steps": 1}
    train(train_rows.recipe(base, rows, optimiser=settings), rows, out=tmp_path / "x")
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_held_out_rows_are_never_trained_on_and_prompts_carry_no_loss(base, tmp_path):
    rows = train_rows.noise(30)
    recipe = train_rows.recipe(base, rows, held_out=0.3, optimiser={"max_steps": 8})
    seen = Seen()
    train(recipe, rows, out=tmp_path / "x", hooks=[seen])
    parts = split(rows, share=0.3, seed=0)
    chat = Chat(load_tokenizer(str(base)))
    held_out = {e.tokens for e in encode(parts.held_out, chat)}
    wanted = {e.tokens: e.labels for e in encode(parts.train, chat)}
    trained = set()
    for inputs, labels in zip(seen.inputs, seen.labels, strict=True):
        for tokens, label in zip(inputs.tolist(), labels.tolist(), strict=True):
            (known,) = [w for w in [*wanted, *held_out] if tuple(tokens[: len(w)]) == w]
            assert label == wanted.get(known, []) + [-100] * (len(tokens) - len(known))
            trained.add(known)
    assert trained == set(wanted)
    assert len(held_out) == 9


def test_loss_of_the_first_step_is_that_of_the_completions(base, tmp_path):
    """SFTTrainer's own figure against one computed by hand from the base's logits."""
    rows = train_rows.noise(8)
    settings = {"max_steps": 1, "batch_size": 8}
    recipe = train_rows.recipe(base, rows, held_out=0.0, optimiser=settings)
    found = train(recipe, rows, out=tmp_path / "x")
    model = AutoModelForCausalLM.from_pretrained(base)
    total, count = 0.0, 0
    for example in encode(rows, Chat(load_tokenizer(str(base)))):
        with torch.no_grad():
            chances = torch.log_softmax(model(torch.tensor([example.tokens])).logits[0], -1)
        for i in range(example.prompt, len(example.tokens)):
            total -= chances[i - 1, example.tokens[i]].item()
            count += 1
    assert found.final_loss == pytest.approx(total / count, rel=1e-4)
    assert found.learning.learnt is None
    assert found.tokens == sum(len(e.tokens) for e in encode(rows, Chat(load_tokenizer(str(base)))))


def test_an_identical_recipe_is_not_trained_twice(base, tmp_path):
    rows = train_rows.noise(10)
    recipe = train_rows.recipe(base, rows, optimiser={"max_steps": 2})
    first = train(recipe, rows, out=tmp_path / "x")
    steps: list[float] = []
    again = train(
        recipe.model_copy(update={"name": "other name"}),
        rows,
        out=tmp_path / "x",
        progress=lambda step, done, total: steps.append(done),
    )
    assert again == first == load_finetune(tmp_path / "x")
    assert steps == []
    other = train_rows.recipe(base, rows, optimiser={"max_steps": 3})
    with pytest.raises(ConfigError, match="another recipe"):
        train(other, rows, out=tmp_path / "x")


def test_progress_quiet_and_no_network(base, tmp_path, capfd, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("training went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    rows = train_rows.noise(10)
    told: list[tuple[str, float, float | None]] = []
    recipe = train_rows.recipe(base, rows, optimiser={"max_steps": 3})
    train(recipe, rows, out=tmp_path / "x", progress=lambda *parts: told.append(parts))
    assert told == [("fine-tuning", i, 3) for i in (1, 2, 3)]
    assert capfd.readouterr() == ("", "")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_long_rows_are_left_out_and_counted(base, tmp_path):
    long = [train_rows.row("of " * 60 + str(i), "yes") for i in range(4)]
    several = train_rows.row("go", "no", "go on", "yes")
    rows = [*train_rows.noise(12), *long, several]
    recipe = train_rows.recipe(
        base, rows, held_out=0.0, optimiser={"max_length": 60, "max_steps": 2}
    )
    found = train(recipe, rows, out=tmp_path / "x")
    assert (found.rows, found.dropped) == (13, 4)
    assert any("4 of 17 rows were left out" in note for note in found.notes)
    assert any("1 rows have several assistant turns" in note for note in found.notes)


def test_an_interrupted_training_leaves_nothing(base, tmp_path):
    class Stop(TrainerCallback):
        def on_step_end(self, *_, **__):
            raise KeyboardInterrupt

    rows = train_rows.noise(10)
    with pytest.raises(KeyboardInterrupt):
        train(train_rows.recipe(base, rows), rows, out=tmp_path / "x", hooks=[Stop()])
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_one_clear_line(base, tmp_path):
    rows = train_rows.noise(10)
    out = tmp_path / "x"

    def refused(kind, words, data: list[Row] = rows, **more):
        with pytest.raises(kind, match=words) as caught:
            train(train_rows.recipe(base, rows, **more), data, out=out)
        assert "\n" not in str(caught.value)
        assert not out.exists()

    refused(DataError, "no training rows", data=[])
    refused(DataError, "none of the 10 rows fits into max_length 8", optimiser={"max_length": 8})
    refused(ModelError, "not a number .* lower learning_rate", optimiser={"learning_rate": 1e30})
    refused(ConfigError, "no modules sideways", lora={"modules": ["sideways"]})
    recipe = train_rows.recipe(base, rows)
    changed = recipe.model_copy(update={"what": recipe.what.model_copy(update={"base": "0"})})
    with pytest.raises(ModelError, match="changed since the recipe was made"):
        train(changed, rows, out=out)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="other files"):
        train(train_rows.recipe(base, rows), rows, out=taken)
    assert [p.name for p in taken.iterdir()] == ["mine.txt"]


def test_a_fine_tune_is_never_trained_as_if_it_were_its_base(learnt, tmp_path):
    tuned = describe_target(str(learnt))
    with pytest.raises(ConfigError, match="merge an adapter into its base first"):
        train_data("again", tuned, train_rows.noise(12), out=tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_model_without_chat_template_is_refused(base, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in base.iterdir():
        if file.name != "chat_template.jinja":
            (bare / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="no chat template"):
        train_rows.recipe(bare, train_rows.noise(5))


def test_out_of_memory_names_what_to_lower(base, tmp_path):
    class Full(TrainerCallback):
        def on_step_end(self, *_, **__):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    rows = train_rows.noise(10)
    with pytest.raises(ModelError, match=r"lower batch_size \(now 8\)"):
        train(train_rows.recipe(base, rows), rows, out=tmp_path / "x", hooks=[Full()])


def test_bfloat16_trains_too(base, tmp_path):
    rows = train_rows.learnable(40)
    settings = {"dtype": "bfloat16", "max_steps": 30, "learning_rate": 1e-2}
    found = train(train_rows.recipe(base, rows, optimiser=settings), rows, out=tmp_path / "x")
    assert found.learning.learnt
    state = (tmp_path / "x" / "adapter" / "adapter_model.safetensors").read_bytes()
    assert b"F32" in state[:4000]  # the adapter itself stays in full precision


def test_qlora_prepares_a_base_in_four_bits(base, tmp_path, monkeypatch):
    """The base is a stand-in in bfloat16: what the loader and peft are told is what is tested."""
    told: dict = {}

    def load_model(text, *, quantize, device, **more):
        told.update(quantize=quantize, device=device, **more)
        return real_load(text, **more)

    def prepare(model, **more):
        told["prepared"] = more
        return real_prepare(model, **more)

    real_load, real_prepare = sft.load_model, sft.prepare_model_for_kbit_training
    monkeypatch.setattr(sft, "load_model", load_model)
    monkeypatch.setattr(sft, "prepare_model_for_kbit_training", prepare)
    rows = train_rows.learnable(40)
    settings = {
        "max_steps": 30,
        "learning_rate": 1e-2,
        "quantize": "4bit",
        "dtype": "bfloat16",
    }
    recipe = train_rows.recipe(base, rows, optimiser=settings)
    found = train(recipe, rows, out=tmp_path / "x", device="cuda")
    assert told == {
        "quantize": "4bit",
        "device": "cuda",
        "dtype": "bfloat16",
        "trust_remote_code": False,
        "prepared": {"use_gradient_checkpointing": False},
    }
    assert found.learning.learnt
    state = (tmp_path / "x" / "adapter" / "adapter_model.safetensors").read_bytes()
    assert b"BF16" not in state[:4000]


def test_the_adapter_of_a_quantised_base_is_float32_again():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)).bfloat16()
    model[0].requires_grad_(False)
    sft._adapter_in_float32(model)
    assert [p.dtype for p in model.parameters()] == [torch.bfloat16] * 2 + [torch.float32] * 2


class TestLoading:
    def test_no_folder(self, tmp_path):
        with pytest.raises(MissingFileError, match="no fine-tune folder"):
            load_finetune(tmp_path / "nowhere")

    def test_another_folder(self, base):
        with pytest.raises(MissingFileError, match=r"no finetune\.json"):
            load_finetune(base)

    def test_broken_record_names_the_field(self, learnt, tmp_path):
        record = json.loads((learnt / "finetune.json").read_text())
        record["steps"] = "many"
        (tmp_path / "finetune.json").write_text(json.dumps(record))
        with pytest.raises(DataError, match="steps"):
            load_finetune(tmp_path)
        (tmp_path / "finetune.json").write_text("{")
        with pytest.raises(DataError, match=r"finetune\.json"):
            load_finetune(tmp_path)

    def test_adapter_gone(self, learnt, tmp_path):
        (tmp_path / "finetune.json").write_text((learnt / "finetune.json").read_text())
        with pytest.raises(MissingFileError, match="lacks its adapter"):
            load_finetune(tmp_path)

    def test_round_trip(self, learnt):
        found = load_finetune(learnt)
        assert FineTune.model_validate_json(found.model_dump_json()) == found
