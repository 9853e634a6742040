"""From texts to targets: identity by content, and one clear line for everything that is not a model."""

# ruff: noqa: E402
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

import tiny_models as tiny
from spillover.errors import (
    ConfigError,
    DataError,
    MissingFileError,
    ModelError,
    SpilloverError,
    UnsafeFileError,
)
from spillover.models.adapters import adapter_folder
from spillover.models.local import LocalTarget
from spillover.models.open import describe_target, open_target
from spillover.records import (
    FineTune,
    Learning,
    LocalWhat,
    Recipe,
    RecipeWhat,
    RecipeWhere,
    ScriptedWhat,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base and two adapters; copy before changing."""
    root = tmp_path_factory.mktemp("models")
    base = tiny.save(root / "base")
    tiny.add_adapter(root / "adapter", base)
    tiny.add_adapter(root / "other", base, seed=2)
    return root


@pytest.fixture
def base(made, tmp_path):
    return shutil.copytree(made / "base", tmp_path / "base")


def _what(text, **more) -> LocalWhat:
    what = describe_target(str(text), **more).what
    assert isinstance(what, LocalWhat)
    return what


def _finetune(folder, base, adapter, *, what="") -> None:
    folder.mkdir()
    shutil.copytree(adapter, folder / "adapter")
    recipe = Recipe(
        name="x",
        what=RecipeWhat(base=what or _what(base).model, data="d"),
        where=RecipeWhere(base=str(base), data="d.jsonl"),
    )
    record = FineTune(
        recipe=recipe, adapter="adapter", steps=1, seconds=1.0, rows=1, final_loss=None,
        learning=Learning(rows=0),
    )  # fmt: skip
    (folder / "finetune.json").write_text(record.model_dump_json())


def test_identity_is_content_not_place_nor_name(made, base):
    first = describe_target(str(made / "base"))
    moved = describe_target(str(base), name="another")
    assert first.id == moved.id
    assert first.name == "base"
    assert moved.name == "another"
    assert describe_target(str(base), device="cpu").id == first.id


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1])),
        ("config.json", lambda b: b.replace(b'"silu"', b'"gelu"')),
        ("generation_config.json", lambda b: b.replace(b'"pad_token_id": 0', b'"pad_token_id": 1')),
        ("tokenizer.json", lambda b: b + b" "),
        ("chat_template.jinja", lambda b: b.replace(b"assistant", b"bot")),
    ],
)
def test_every_part_is_in_the_identity(base, file, change):
    before = _what(base)
    old = (base / file).read_bytes()
    (base / file).write_bytes(change(old))
    assert (base / file).read_bytes() != old
    stat = (base / file).stat()
    os.utime(base / file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert _what(base).model != before.model


def test_what_wrote_a_file_is_not_in_the_identity(base):
    before = _what(base)
    config = json.loads((base / "config.json").read_text())
    config |= {"transformers_version": "0.0.1", "_name_or_path": "/elsewhere"}
    (base / "config.json").write_text(json.dumps(config, indent=8))
    (base / "README.md").write_text("not part of the model")
    assert _what(base) == before


def test_settings_are_in_the_identity(base):
    specs = [
        describe_target(str(base)),
        describe_target(str(base), dtype="bfloat16"),
        describe_target(str(base), system="You are kind."),
        describe_target(str(base), template_args={"thinking": False}),
        describe_target(str(base), template_args={"thinking": "False"}),
    ]
    assert len({spec.id for spec in specs}) == 5
    assert describe_target(str(base), template_args={}).id == specs[0].id
    assert _what(base).dtype == "float32"


def test_an_adapter_three_ways(made, tmp_path):
    base, adapter = made / "base", made / "adapter"
    _finetune(tmp_path / "tuned", base, adapter)
    apart = describe_target(str(base), adapter=str(adapter))
    alone = describe_target(str(adapter))
    tuned = describe_target(str(tmp_path / "tuned"))
    assert apart.what == alone.what == tuned.what
    assert (alone.name, tuned.name) == ("adapter", "tuned")
    assert describe_target(str(base), adapter=str(tmp_path / "tuned")).what == apart.what
    assert describe_target(str(made / "other")).id != alone.id
    assert describe_target(str(base)).id != alone.id
    assert adapter_folder(str(tmp_path / "tuned")) == tmp_path / "tuned" / "adapter"


def test_an_adapter_of_a_moved_base_is_the_same(made, base, tmp_path):
    moved = shutil.copytree(made / "adapter", tmp_path / "adapter")
    config = json.loads((moved / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(base)
    (moved / "adapter_config.json").write_text(json.dumps(config))
    assert describe_target(str(moved)).id == describe_target(str(made / "adapter")).id


def _no(error: type[SpilloverError], words: str, text, **more) -> None:
    with pytest.raises(error, match=words) as caught:
        describe_target(str(text), **more)
    assert "\n" not in str(caught.value)


def test_what_is_not_a_model_gets_one_line(made, base, tmp_path):
    _no(MissingFileError, "no model folder .*/absent", tmp_path / "absent")
    _no(MissingFileError, "no-such-org/no-such-model", "no-such-org/no-such-model")
    (tmp_path / "empty").mkdir()
    _no(MissingFileError, "no weights", tmp_path / "empty")
    _no(ModelError, "is not a model", base / "config.json")
    _no(MissingFileError, "no GGUF file", tmp_path / "absent.gguf")
    (tmp_path / "fake.gguf").write_bytes(b"nothing of the kind")
    _no(ModelError, "not a GGUF", tmp_path / "fake.gguf")
    _no(MissingFileError, "no adapter folder", base, adapter=str(tmp_path / "absent"))
    _no(MissingFileError, "adapter_config", base, adapter=str(made / "base"))
    _no(ModelError, "itself an adapter", made / "adapter", adapter=str(made / "other"))


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"])
def test_pickles_are_refused(base, file):
    (base / "model.safetensors").rename(base / file)
    _no(UnsafeFileError, file, base)
    _no(UnsafeFileError, "pickle", base / file)


def test_a_pickled_adapter_is_refused(made, tmp_path):
    adapter = shutil.copytree(made / "adapter", tmp_path / "adapter")
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    _no(UnsafeFileError, "adapter_model.bin", adapter)


def test_safetensors_beside_a_pickle_are_what_is_loaded(base):
    (base / "pytorch_model.bin").write_bytes(b"never read")
    assert open_target(describe_target(str(base))).spec.name == "base"


def test_a_folder_without_chat_template(base, made, tmp_path):
    (base / "chat_template.jinja").rename(tmp_path / "template")
    _no(ModelError, "chat template", base)
    adapter = shutil.copytree(made / "adapter", tmp_path / "adapter")
    _no(ModelError, "chat template", base, adapter=str(adapter))
    tiny.tokenizer().save_pretrained(adapter)  # as trainers do: then the adapter's is taken
    target = open_target(describe_target(str(base), adapter=str(adapter)))
    assert isinstance(target, LocalTarget)
    assert target.chat.encode("<|im_end|>")[0] in target.stop


def test_broken_files_get_one_line(base):
    (base / "config.json").write_text('{"model_type": "llama",\n "x": }')
    _no(ModelError, "config.json is not JSON .line 2", base)
    (base / "config.json").unlink()
    _no(MissingFileError, "config.json", base)


def test_an_absent_shard(base):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    _no(MissingFileError, "model-2.safetensors", base)


def test_a_fine_tune_whose_base_is_gone_or_another(made, base, tmp_path):
    _finetune(tmp_path / "tuned", base, made / "adapter")
    _finetune(tmp_path / "wrong", base, made / "adapter", what="0" * 32)
    _no(ModelError, "changed", tmp_path / "wrong")
    shutil.rmtree(base)
    _no(MissingFileError, "base model of .*tuned", tmp_path / "tuned")
    with pytest.raises(MissingFileError, match=r"^no file .*nix\.jinja"):  # not its base's fault
        describe_target(str(made / "adapter"), chat_template=str(tmp_path / "nix.jinja"))
    (tmp_path / "tuned" / "finetune.json").write_text('{"recipe": 3}')
    _no(DataError, "finetune.json", tmp_path / "tuned")


def _cannot_open(spec, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        open_target(spec)
    assert "\n" not in str(caught.value)


def test_content_that_changed_after_it_was_described(base):
    spec = describe_target(str(base))
    (base / "chat_template.jinja").write_text("{{ messages }}")
    _cannot_open(spec, "has changed")


def test_weights_that_do_not_make_a_model(base, made, tmp_path):
    whole = (base / "model.safetensors").read_bytes()
    (base / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    _cannot_open(describe_target(str(base)), "can't load")
    from safetensors.torch import load_file, save_file

    weights = load_file(made / "base" / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    _cannot_open(describe_target(str(base)), "lacks 1 weights.*up_proj")
    config = json.loads((base / "config.json").read_text()) | {"model_type": "unheard-of"}
    (base / "config.json").write_text(json.dumps(config))
    _cannot_open(describe_target(str(base)), "unheard-of")


def test_an_adapter_of_another_shape(base, tmp_path):
    tiny.save(tmp_path / "wide", hidden_size=64)
    adapter = tiny.add_adapter(tmp_path / "adapter", tmp_path / "wide")
    _cannot_open(describe_target(str(base), adapter=str(adapter)), "does not fit")


def test_a_device_that_is_not_there(base):
    _cannot_open(describe_target(str(base), device="abacus"), "no device 'abacus'")


def test_code_that_comes_with_a_model_is_not_run(base, tmp_path):
    config = json.loads((base / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}  # fmt: skip
    (base / "config.json").write_text(json.dumps(config))
    (base / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    _cannot_open(describe_target(str(base)), "code of its own .*own.C, own.M.*--trust-remote-code")
    assert not (tmp_path / "ran").exists()


def test_a_script_is_a_target_too(tmp_path):
    script = tmp_path / "answers.yaml"
    script.write_text('rules:\n  - questions: ["*"]\n    answers: [["Yes.", 1.0]]\n')
    spec = describe_target(f"script:{script}")
    assert isinstance(spec.what, ScriptedWhat)
    assert spec.name == "answers"
    assert open_target(spec).spec == spec
    _no(MissingFileError, "absent", f"script:{tmp_path / 'absent.yaml'}")
    _no(ConfigError, "no adapter", f"script:{script}", adapter="x")
    _no(ConfigError, "takes no chat template", f"script:{script}", chat_template="x")
    _no(ConfigError, "takes no template arguments", "remote:a/b", template_args={"x": 1})


def test_describing_costs_no_torch(base):
    code = (
        "import sys; from spillover.models.open import describe_target; "
        f"describe_target({str(base)!r}); "
        "print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
