"""A GGUF file as a target: written with the `gguf` package, read as any other model."""

# ruff: noqa: E402
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf", reason="gguf is not installed: it is in the extra `local`")

import tiny_models as tiny
from spillover.models.local import LocalTarget
from spillover.models.open import describe_target, open_target
from spillover.records import Ask, LocalWhat, Message, Settings

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
ENDS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write(path: Path, model: Any, *, kind: str = "F32") -> Path:
    """Write a llama and the tiny tokenizer; its matrices as ``kind``."""
    config, tokenizer = model.config, tiny.tokenizer()
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_name("tiny")
    out.add_context_length(config.max_position_embeddings)
    out.add_block_count(config.num_hidden_layers)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_rope_dimension_count(config.head_dim)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_vocab_size(config.vocab_size)
    inner = json.loads(tokenizer.backend_tokenizer.to_str())
    special = set(tokenizer.all_special_ids)
    out.add_tokenizer_model("gpt2")
    out.add_token_list(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    out.add_token_merges([" ".join(pair) for pair in inner["model"]["merges"]])
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    out.add_token_types([control if i in special else normal for i in range(len(tokenizer))])
    out.add_bos_token_id(tokenizer.convert_tokens_to_ids("<|im_start|>"))
    out.add_eos_token_id(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    out.add_pad_token_id(0)
    out.add_chat_template(tiny.TEMPLATE)
    for name, weight in model.state_dict().items():
        data = weight.detach().float().numpy()
        if "q_proj" in name or "k_proj" in name:  # halves of a head's rotation lie side by side
            heads = len(data) // config.head_dim
            data = (
                data.reshape(heads, 2, config.head_dim // 2, -1).swapaxes(1, 2).reshape(data.shape)
            )
        quant = gguf.GGMLQuantizationType[kind if data.ndim == 2 else "F32"]
        out.add_tensor(place(name), gguf.quants.quantize(data, quant), raw_dtype=quant)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def place(name: str) -> str:
    """What a weight is called in the file."""
    stem = name.removesuffix(".weight")
    if stem in ENDS:
        return f"{ENDS[stem]}.weight"
    _, _, number, rest = stem.split(".", 3)
    return f"blk.{number}.{NAMES[rest]}.weight"


def asks(temperature: float) -> list[Ask]:
    texts = ("what is it", "go", "how many people could there be in the water")
    return [
        Ask(question=f"q{seed}", paraphrase=0, messages=(Message(role="user", content=text),),
            settings=Settings(max_tokens=12, temperature=temperature), seed=seed)
        for seed, text in enumerate(texts)
    ]  # fmt: skip


def answers(target: Any, asked: list[Ask]) -> dict[str, str]:
    found = {answer.ask.id: answer for answer in target.ask(asked)}
    assert all(answer.missing is None for answer in found.values())
    return {ask.id: found[ask.id].text for ask in asked}


def test_it_answers_as_the_model_that_it_was_made_of(tmp_path: Path) -> None:
    model = tiny.model("llama", hidden_size=64, head_dim=16)
    spec = describe_target(str(write(tmp_path / "tiny.gguf", model)), device="cpu")
    assert spec.name == "tiny.gguf"
    assert isinstance(spec.what, LocalWhat)
    assert spec.what.dtype == "float32"
    target = open_target(spec)
    plain = LocalTarget(spec, model, tiny.tokenizer())
    greedy = answers(target, asks(0.0))
    assert greedy == answers(plain, asks(0.0))
    assert len(set(greedy.values())) == 3
    assert answers(target, asks(1.0)) == answers(plain, asks(1.0))  # the spec is part of the seed


def test_a_folder_and_eight_bits(tmp_path: Path) -> None:
    model = tiny.model("llama", hidden_size=64, head_dim=16)
    (tmp_path / "small").mkdir()
    file = write(tmp_path / "small" / "tiny.gguf", model, kind="Q8_0")
    spec = describe_target(str(tmp_path / "small"), device="cpu")
    assert spec.what == describe_target(str(file), device="cpu").what
    whole = write(tmp_path / "whole.gguf", model)
    assert file.stat().st_size < 0.5 * whole.stat().st_size
    assert spec.id != describe_target(str(whole), device="cpu").id
    target = open_target(spec)
    assert isinstance(target, LocalTarget)
    tokens = torch.tensor([list(tiny.prompts(1)[0])])
    with torch.inference_mode():
        near, exact = (m(tokens).logits[0, -1].softmax(-1) for m in (target.model, model))
    assert 0 < (near - exact).abs().sum() / 2 < 0.2
    assert all(answers(target, asks(1.0)).values())
