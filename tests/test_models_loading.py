"""4 bits, code of a model's own, several devices: identity, what the loaders are told, refusals.

4-bit loading needs a GPU; here stand-ins record what the loaders are told.
"""

# ruff: noqa: E402
from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

import tiny_models as tiny
from spillover.errors import ConfigError, MissingExtraError, ModelError
from spillover.models import load as loading
from spillover.models import placement
from spillover.models.open import describe_target, open_target
from spillover.models.rows import Layout, PromptState, Rows, fixed_cache, growing_cache
from spillover.models.sampler import Request, Sampler
from spillover.records import (
    Ask,
    LocalWhat,
    Message,
    OptimiserSettings,
    RecipeWhat,
    TargetSpec,
    digest,
)
from spillover.train import make_recipe

OWN_CODE = """
import transformers

class Config(transformers.LlamaConfig):
    model_type = "own"

class Model(transformers.LlamaForCausalLM):
    config_class = Config
    their_own = {number}
"""
MAP = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    tiny.add_adapter(root / "adapter", tiny.save(root / "base", num_hidden_layers=2))
    return root


@pytest.fixture
def base(made, tmp_path):
    return shutil.copytree(made / "base", tmp_path / "base")


def _set(folder, name="config.json", **more) -> None:
    settings = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(settings | more))


def _refused(kind, words, do) -> None:
    with pytest.raises(kind, match=words) as caught:
        do()
    assert "\n" not in str(caught.value)


def _code(folder, number=1, **auto_map):
    _set(folder, model_type="own", auto_map=MAP | auto_map)
    (folder / "own.py").write_text(OWN_CODE.format(number=number))
    return folder


def test_identities_from_before_these_settings_are_the_same():
    """Computed before there were such fields: answers and fine-tunes on disk stay known."""
    what = LocalWhat(model="m", adapter="a", dtype="bfloat16", system="s")
    assert digest(LocalWhat(model="m")) == "d47e1ff55f0bc347041a56332ccc4cce"
    assert digest(what) == "fbab8457da4742ec90fe858482bcd1d5"
    assert digest(OptimiserSettings()) == "19752e41b0a5281dd50332be2f4193c4"
    assert digest(RecipeWhat(base="b", data="d")) == "7d35c4bf4a72a1e5b3f76574c9b0eb48"


def test_a_set_field_changes_the_identity_and_survives_the_disk():
    plain = LocalWhat(model="m", dtype="bfloat16")
    for changed in ({"quantize": "4bit"}, {"code": "c"}, {"template": "t"},
                    {"template_args": {"a": True}}, {"template_args": {"a": 1}}):  # fmt: skip
        what = plain.model_copy(update=changed)
        assert digest(what) != digest(plain)
        assert LocalWhat.model_validate_json(what.model_dump_json()) == what
    assert "quantize" in LocalWhat.model_json_schema(mode="serialization")["properties"]
    settings = OptimiserSettings(dtype="bfloat16", quantize="4bit")
    assert OptimiserSettings.model_validate_json(settings.model_dump_json()) == settings
    assert digest(settings) != digest(OptimiserSettings(dtype="bfloat16"))


def test_four_bits_are_described(base):
    what = describe_target(str(base), quantize="4bit").what
    assert isinstance(what, LocalWhat)
    assert (what.quantize, what.dtype) == ("4bit", "bfloat16")
    _refused(ConfigError, "computes in bfloat16: leave out dtype float16",
             lambda: describe_target(str(base), quantize="4bit", dtype="float16"))  # fmt: skip
    _set(base, quantization_config={"quant_method": "gptq"})
    _refused(ModelError, "quantised already", lambda: describe_target(str(base), quantize="4bit"))
    (base / "x.gguf").write_bytes(b"GGUF")
    _refused(ModelError, "GGUF file, which can't be loaded in 4 bits",
             lambda: describe_target(str(base / "x.gguf"), quantize="4bit"))  # fmt: skip


def test_four_bits_without_bitsandbytes_or_gpu(base, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spec = describe_target(str(base), quantize="4bit", device="cpu")
    monkeypatch.setattr(placement, "find_spec", lambda name: name != "bitsandbytes" or None)
    _refused(MissingExtraError, r"bitsandbytes: pip install 'spillover\[local,quantize\]'",
             lambda: open_target(spec))  # fmt: skip
    monkeypatch.setattr(placement, "find_spec", lambda name: True)
    _refused(ModelError, "needs a CUDA GPU, and there is none", lambda: open_target(spec))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    _refused(ModelError, "CUDA GPU, not cpu: give auto, cuda", lambda: open_target(spec))


@pytest.fixture
def gpus(monkeypatch):
    """A machine that looks as if it had CUDA; returns what `from_pretrained` was told."""
    told: dict = {}
    real = loading.AutoModelForCausalLM.from_pretrained

    def from_pretrained(folder, *, device_map, quantization_config, **more):
        told.update(device_map=device_map, config=quantization_config, **more)
        model, info = real(folder, **more)
        model.is_quantized = True  # as transformers says of a model in 4 bits
        return model, info

    monkeypatch.setattr(loading.AutoModelForCausalLM, "from_pretrained", from_pretrained)
    monkeypatch.setattr(placement, "find_spec", lambda name: True)
    monkeypatch.setattr(placement, "pick_device", lambda text: torch.device(text))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return told


@pytest.mark.parametrize(
    ("device", "expected"), [("cuda:1", {"": 1}), ("auto-map", "auto")]
)  # fmt: skip
def test_what_the_loader_is_told_of_four_bits(made, gpus, device, expected):
    spec = describe_target(str(made / "base"), quantize="4bit", device=device)
    loading.load(spec)
    assert gpus["device_map"] == expected
    assert gpus["dtype"] == torch.bfloat16
    assert gpus["trust_remote_code"] is False
    config = gpus["config"]
    assert (config.load_in_4bit, config.bnb_4bit_quant_type) == (True, "nf4")
    assert config.bnb_4bit_use_double_quant
    assert config.bnb_4bit_compute_dtype == torch.bfloat16


def test_an_adapter_on_a_quantised_model_stays_apart(made):
    """Even where the rest of the model is float32, which is merged otherwise."""
    for quantised in (True, False):
        model = loading.load_model(str(made / "base"))
        model.is_quantized = quantised
        tuned = loading.put_adapter(model, made / "adapter")
        assert any("lora" in name for name, _ in tuned.named_modules()) is quantised


def test_code_of_its_own_is_refused_in_one_line_that_names_the_option(base):
    spec = describe_target(str(_code(base)))
    assert isinstance(spec.what, LocalWhat)
    assert spec.what.code is None
    _refused(ModelError, r"own\.Config, own\.Model.*--trust-remote-code", lambda: open_target(spec))


def test_trusted_code_is_run_and_is_part_of_the_identity(base, tmp_path, monkeypatch):
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    first = describe_target(str(_code(base)), trust_remote_code=True)
    assert first.id != describe_target(str(base)).id
    assert loading.load(first).model.their_own == 1
    _code(base, number=22)  # another length: times may be too coarse to tell
    _refused(ModelError, "has changed", lambda: open_target(first))
    assert describe_target(str(base), trust_remote_code=True).id != first.id
    (base / "part.py").write_text("")  # what the named file may import counts too
    assert describe_target(str(base), trust_remote_code=True).id != first.id


def test_trust_without_code_changes_nothing(base):
    plain = describe_target(str(base))
    assert describe_target(str(base), trust_remote_code=True).id == plain.id
    _set(base, "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]})
    assert describe_target(str(base), trust_remote_code=True).what != describe_target(str(base)).what  # fmt: skip


def test_a_known_architecture_that_names_code_is_loaded_without_it(base):
    _set(base, auto_map={"AutoModelForCausalLM": "own.Model"})  # there is no own.py
    assert open_target(describe_target(str(base))).spec.name == "base"


def test_code_in_another_repository_is_refused(base):
    _code(base, AutoModelForCausalLM="someone/else--own.Model")
    _refused(ModelError, "someone/else--own.Model",
             lambda: describe_target(str(base), trust_remote_code=True))  # fmt: skip


def test_spread_over_what_there_is(made, monkeypatch):
    """On a machine with one place accelerate puts all there, and the answers are the same."""
    question = Ask(question="q", paraphrase=0, messages=(Message(role="user", content="the"),))
    answers = []
    for device in ("cpu", "auto-map"):
        spec: TargetSpec = describe_target(str(made / "base"), device=device)
        target = open_target(spec)
        answers += target.ask([question])
    assert answers[0].text == answers[1].text
    monkeypatch.setattr(placement, "find_spec", lambda name: None)
    _refused(MissingExtraError, "auto-map needs accelerate", lambda: open_target(spec))


def test_a_model_that_does_not_fit_is_refused():
    for places, fits in [({"": "cpu"}, True), ({"a": 0, "b": 1}, True),
                         ({"a": 0, "b": "cpu"}, False), ({"": "disk"}, False)]:  # fmt: skip
        model = SimpleNamespace(hf_device_map=places)
        if fits:
            placement.check_placed("m", model)
        else:
            _refused(ModelError, "m does not fit.*1 of its", lambda m=model: placement.check_placed("m", m))  # fmt: skip
    placement.check_placed("m", SimpleNamespace())


def test_memory_lies_where_each_layer_is_computed():
    """``meta`` stands for a second GPU: it keeps shapes, and takes nothing from another device."""
    cache, places = growing_cache(), ["cpu", "meta", "cpu"]
    for layer, place in enumerate(places):
        cache.update(torch.ones(2, 2, 5, 4, device=place), torch.ones(2, 2, 5, 4, device=place), layer)  # fmt: skip
    layout = Layout(cache)
    assert {str(k): v for k, v in layout.bytes_per_token.items()} == {"cpu": 128, "meta": 64}
    rows = Rows(layout, 3, 9)
    rows.column = 6
    state = PromptState(5, layout.split(cache, 1, 3, 2), torch.zeros(7))
    rows.enter(0, 2, state)
    rows.active = 2
    rows.begin_step()
    rows.move(0, 2)
    fixed = fixed_cache(layout, [state])
    for layer, place in enumerate(places):
        assert {t.device.type for t in (rows.keys(layer), rows.values(layer))} == {place}
        assert fixed.layers[layer].keys.device.type == place  # pyright: ignore
    assert rows.keys(2)[1, :, 1:6].eq(1).all()


def test_hooks_that_move_tensors_are_not_left_out():
    """accelerate's hooks wrap ``forward``; the fused step of small models would go round them."""
    from accelerate import dispatch_model

    plain, spread = (tiny.model("llama", num_hidden_layers=2) for _ in range(2))
    map_ = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.layers": "cpu",
            "model.norm": "cpu", "lm_head": "cpu"}  # fmt: skip
    dispatch_model(spread, map_, main_device="cpu", force_hooks=True, skip_keys="past_key_values")
    replies = []
    for model in (plain, spread):
        sampler = Sampler(model, stop=frozenset())
        assert (sampler.forward._lean is None) is (model is spread)
        requests = [Request(p, 7, max_tokens=5) for p in tiny.prompts(3)]
        replies.append(sorted(r.tokens for r in sampler.sample(requests)))
    assert replies[0] == replies[1]


def test_the_code_of_a_base_is_part_of_its_recipe(base):
    _code(base)
    trusted = make_recipe("x", str(base), data="d", trust_remote_code=True)
    assert trusted.what.code == digest_of_code(base)
    assert trusted.id != make_recipe("x", str(base), data="d").id


def digest_of_code(folder) -> str | None:
    what = describe_target(str(folder), trust_remote_code=True).what
    assert isinstance(what, LocalWhat)
    return what.code
