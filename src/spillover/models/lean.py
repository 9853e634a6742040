"""One decoding step of Llama-shaped models with little overhead between the matrix products.

A small model spends most of a step between its products: transformers takes about 60 calls a
layer, this about 20. Only for what it can reproduce exactly (tests compare it with `generate`);
everything else takes the general path.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import nn
from torch.nn import functional as F

from spillover.models.rows import Rows

_SHAPED = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
_STATIC_ROPE = ("default", "linear", "llama3")


class _Layer(NamedTuple):
    """What a step needs of one decoder layer."""

    norm1: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: nn.Linear
    norm2: torch.Tensor
    gate_up: torch.Tensor
    gate_up_bias: torch.Tensor | None
    down: nn.Linear


class LeanStep:
    """Calls like `Forward.step`: tokens in, logits out, one column of `Rows` written.

    The projections of a layer are fused, and the model's own weights become views of the fused
    ones, so that nothing is held twice.
    """

    def __init__(self, model: Any) -> None:
        body, config = model.model, model.config
        attention = body.layers[0].self_attn
        self.heads = config.num_attention_heads
        self.kv_heads = config.num_key_value_heads
        self.dim = attention.head_dim
        self.scale = attention.scaling
        self.eps = float(body.norm.variance_epsilon)
        self.embed = body.embed_tokens.weight
        self.norm = body.norm.weight
        self.head: nn.Linear = model.lm_head
        self.layers = [_fuse(layer) for layer in body.layers]
        self._rotary = body.rotary_emb
        self._cos = self._sin = torch.empty(0)

    @classmethod
    def of(cls, model: Any) -> Self | None:
        """Return the lean step of ``model``, or None if it is not one that this reproduces."""
        config = model.config
        if type(model).__name__ not in _SHAPED or model.dtype != torch.float32:
            return None
        rope = getattr(config, "rope_parameters", None) or {}
        sliding = getattr(config, "sliding_window", None) is not None and (
            type(model).__name__ == "MistralForCausalLM"
            or "sliding_attention" in (getattr(config, "layer_types", None) or ())
        )
        plain = (
            config.hidden_act in ("silu", "swish")
            and rope.get("rope_type", "default") in _STATIC_ROPE
            and rope.get("partial_rotary_factor", 1.0) == 1.0
            and not sliding
            and all(_is_plain(layer) for layer in model.model.layers)
            and type(model.lm_head) is nn.Linear
            and not _hooked(model)
        )
        return cls(model) if plain else None

    def __call__(
        self,
        rows: Rows,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return logits of shape (active, vocabulary)."""
        n, t, start, dim = rows.active, rows.column, rows.start, self.dim
        queries, turned = self.heads, self.heads + self.kv_heads
        device = self.embed.device
        x = F.embedding(tokens.to(device), self.embed)
        cos, sin = self._turns(positions, device)
        bias = None
        if mask is not None:
            bias = torch.zeros(mask.shape, dtype=x.dtype, device=device)
            bias = bias.masked_fill_(~mask, float("-inf"))[:, None, None]
        for index, layer in enumerate(self.layers):
            h = F.linear(self._norm(x, layer.norm1), layer.qkv, layer.qkv_bias)
            h = h.view(n, -1, dim)
            qk = h[:, :turned]
            # rotate_half with its sign in ``sin``: the halves change places
            swapped = torch.cat((qk[..., dim // 2 :], qk[..., : dim // 2]), -1)
            qk = torch.addcmul(qk * cos, swapped, sin)
            keys, values = rows.keys(index), rows.values(index)
            keys[:n, :, t] = qk[:, queries:]
            values[:n, :, t] = h[:, turned:]
            mixed = F.scaled_dot_product_attention(
                qk[:, :queries, None],
                keys[:n, :, start : t + 1],
                values[:n, :, start : t + 1],
                attn_mask=bias,
                scale=self.scale,
                enable_gqa=queries != self.kv_heads,
            )
            x = x + layer.out(mixed.reshape(n, -1))
            gate, up = F.linear(
                self._norm(x, layer.norm2), layer.gate_up, layer.gate_up_bias
            ).chunk(2, -1)
            x = x + layer.down(F.silu(gate) * up)
        return self.head(self._norm(x, self.norm))

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _turns(
        self, positions: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosines and signed sines, each (active, 1, dim)."""
        highest = int(positions.max()) + 1
        if highest > self._cos.shape[0]:
            every = torch.arange(max(256, 2 * highest), device=device)[None]
            cos, sin = self._rotary(self.embed[:1, None], every)
            sin = sin[0].clone()
            sin[:, : self.dim // 2] *= -1
            self._cos, self._sin = cos[0].clone(), sin
        where = positions.to(device)
        return self._cos[where][:, None], self._sin[where][:, None]


def _is_plain(layer: Any) -> bool:
    attention, mlp = layer.self_attn, layer.mlp
    linear = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
              mlp.gate_proj, mlp.up_proj, mlp.down_proj)  # fmt: skip
    return all(type(part) is nn.Linear for part in linear) and not any(
        hasattr(attention, name) for name in ("q_norm", "k_norm")
    )


def _hooked(model: nn.Module) -> bool:
    # accelerate's hooks (a model spread over devices) are not among torch's own
    return any(
        part._forward_hooks or part._forward_pre_hooks or hasattr(part, "_hf_hook")
        for part in model.modules()
    )


def _fuse(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    qkv, qkv_bias = _joined(attention.q_proj, attention.k_proj, attention.v_proj)
    gate_up, gate_up_bias = _joined(mlp.gate_proj, mlp.up_proj)
    return _Layer(
        layer.input_layernorm.weight,
        qkv,
        qkv_bias,
        attention.o_proj,
        layer.post_attention_layernorm.weight,
        gate_up,
        gate_up_bias,
        mlp.down_proj,
    )


def _joined(*parts: nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the parts' weights and biases, each one tensor; the parts become views of it."""
    with torch.no_grad():
        weight = torch.cat([part.weight for part in parts])
        place = 0
        for part in parts:
            part.weight.data = weight[place : place + part.out_features]
            place += part.out_features
        if all(part.bias is None for part in parts):
            return weight, None
        zeros = [weight.new_zeros(part.out_features) for part in parts]
        biases = [z if p.bias is None else p.bias for p, z in zip(parts, zeros, strict=True)]
        return weight, torch.cat(biases)
