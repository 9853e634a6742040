"""Forward passes over any Hugging Face causal model: prompts once, then one token a row."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache

from spillover.errors import ModelError
from spillover.models.lean import LeanStep
from spillover.models.rows import Layout, PromptState, Rows, Window, growing_cache

_PREFILL_TOKENS = 4096  # padded tokens in one pass over prompts
_PREFILL_PROMPTS = 64


class Forward:
    """A model in evaluation mode, with the computed prompts that are kept.

    Args:
        model: a Hugging Face causal language model (adapters merged or injected).
        keep: bytes of computed prompts to keep for later asks.
    """

    def __init__(self, model: Any, *, keep: int = 256 << 20) -> None:
        self.model = model
        self.device = model.device
        self.layout: Layout | None = None
        parameters = inspect.signature(model.forward).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self.has_positions = "position_ids" in parameters or open_ended
        self._keep, self._kept = keep, OrderedDict[tuple[int, ...], PromptState]()
        self._kept_bytes = 0
        self._lean = LeanStep.of(model)
        self._cache: tuple[Rows, Cache] | None = None
        self.prompt_tokens = 0

    def prompts(
        self, wanted: Iterable[tuple[int, ...]], *, most: int = _PREFILL_PROMPTS
    ) -> dict[tuple[int, ...], PromptState]:
        """Return the states of the first ``most`` distinct prompts, computing what is not kept."""
        distinct = list(dict.fromkeys(wanted))[:most]
        found = {p: self._kept[p] for p in distinct if p in self._kept}
        for prompt in found:
            self._kept.move_to_end(prompt)
        absent = sorted((p for p in distinct if p not in found), key=len)
        while absent:
            count = max(1, min(len(absent), _PREFILL_TOKENS // len(absent[-1])))
            batch, absent = absent[-count:], absent[:-count]
            for prompt, state in zip(batch, self._prefill(batch), strict=True):
                found[prompt] = state
                self._remember(prompt, state)
        return found

    def _remember(self, prompt: tuple[int, ...], state: PromptState) -> None:
        self._kept[prompt] = state
        self._kept_bytes += state.nbytes
        while self._kept_bytes > self._keep and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.nbytes

    def _prefill(self, batch: Sequence[tuple[int, ...]]) -> list[PromptState]:
        width = max(map(len, batch))
        tokens = torch.zeros((len(batch), width), dtype=torch.long)
        for row, prompt in enumerate(batch):
            tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        mask = torch.arange(width)[None] >= width - torch.tensor([[len(p)] for p in batch])
        positions = (mask.long().cumsum(-1) - 1).clamp_(min=0)
        cache = growing_cache()
        logits = self.run(tokens, mask.long(), positions, cache, **self._last_only)[:, -1]
        self.prompt_tokens += int(mask.sum())
        if self.layout is None:
            self.layout = _layout(cache, self.model)
        return [
            PromptState(len(p), self.layout.split(cache, row, len(p)), logits[row].clone())
            for row, p in enumerate(batch)
        ]

    def run(
        self,
        tokens: torch.Tensor,
        mask: Any,
        positions: torch.Tensor,
        cache: Cache,
        **more: Any,
    ) -> torch.Tensor:
        """Return logits of shape (batch, tokens, vocabulary).

        ``mask`` is whatever the model takes: (batch, columns), or 4D, or one 4D mask a kind of
        layer.
        """
        if self.has_positions:
            more["position_ids"] = positions.to(self.device)
        return self.model(
            input_ids=tokens.to(self.device),
            attention_mask=mask.to(self.device) if isinstance(mask, torch.Tensor) else mask,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
            **more,
        ).logits

    def step(self, rows: Rows, tokens: torch.Tensor) -> torch.Tensor:
        """Feed each active row its last token; return logits of shape (active, vocabulary)."""
        positions = torch.from_numpy(rows.lengths[: rows.active].copy())
        mask = rows.begin_step()
        if self._lean is not None:
            logits = self._lean(rows, tokens, positions, mask)
        else:
            if mask is None:
                columns = rows.column + 1 - rows.start
                mask = torch.ones((rows.active, columns), dtype=torch.bool, device=self.device)
            if self._cache is None or self._cache[0] is not rows:
                layers: list[Any] = [Window(rows, i) for i in range(rows.layout.layers)]
                self._cache = (rows, Cache(layers=layers))
            logits = self.run(tokens[:, None], mask.long(), positions[:, None], self._cache[1],
                              **self._last_only)[:, -1]  # fmt: skip
        rows.end_step()
        return logits


def _layout(cache: Cache, model: Any) -> Layout:
    layers: list[Any] = list(cache.layers)
    if not layers or any(getattr(layer, "keys", None) is None for layer in layers):
        raise ModelError(
            f"{type(model).__name__} does not keep keys and values for every layer: "
            "this architecture can't be sampled yet"
        )
    return Layout(cache)
