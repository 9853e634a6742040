"""Forward passes over any Hugging Face causal model: prompts once, then one token a row."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache

from spillover.errors import ModelError
from spillover.models.lean import LeanStep
from spillover.models.rows import Layout, PromptState, Rows, Window, growing_cache

_PREFILL_TOKENS = 4096  # padded tokens in one pass over prompts
_PREFILL_PROMPTS = 64
_HEAD_TOKENS = 6  # a common beginning that is worth a pass of its own,
_HEAD_PROMPTS = 4  # and by how many prompts it must be shared


class _Head(NamedTuple):
    """The beginning that prompts have in common."""

    tokens: tuple[int, ...]
    state: PromptState


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
        self._head: _Head | None = None
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
        head = self._common_head(absent)
        while absent:
            count = max(1, min(len(absent), _PREFILL_TOKENS // len(absent[-1])))
            batch, absent = absent[-count:], absent[:-count]
            for prompt, state in zip(batch, self._prefill(batch, head), strict=True):
                found[prompt] = state
                self._remember(prompt, state)
        return found

    def _remember(self, prompt: tuple[int, ...], state: PromptState) -> None:
        self._kept[prompt] = state
        self._kept_bytes += state.nbytes
        while self._kept_bytes > self._keep and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.nbytes

    def _common_head(self, prompts: Sequence[tuple[int, ...]]) -> _Head | None:
        """Return what all ``prompts`` begin with (a template's system text), computed once."""
        known = self._head
        if known is not None and all(p[: len(known.tokens)] == known.tokens for p in prompts):
            return known
        window = getattr(self.model.config.get_text_config(), "sliding_window", None)
        if len(prompts) < _HEAD_PROMPTS or not self.has_positions or window is not None:
            return None
        first, last = min(prompts), max(prompts)  # what these two share, all share
        most = min(map(len, prompts)) - 1  # each prompt needs a token of its own for its logits
        length = 0
        while length < most and first[length] == last[length]:
            length += 1
        if length < _HEAD_TOKENS:
            return None
        (state,) = self._prefill([first[:length]], None)
        self._head = _Head(first[:length], state)
        return self._head

    def _prefill(self, batch: Sequence[tuple[int, ...]], head: _Head | None) -> list[PromptState]:
        """Compute prompts, as a left-padded batch after what they have in common.

        The batch's columns: the head, padding, the rest of each prompt.
        """
        skip = 0 if head is None else len(head.tokens)
        rests = torch.tensor([len(prompt) - skip for prompt in batch])
        width = int(rests.max())
        tokens = torch.zeros((len(batch), width), dtype=torch.long)
        for row, prompt in enumerate(batch):
            tokens[row, width - len(prompt) + skip :] = torch.tensor(prompt[skip:])
        mask = torch.arange(width)[None] >= width - rests[:, None]
        positions = skip + (mask.long().cumsum(-1) - 1).clamp_(min=0)
        cache = growing_cache()
        if head is not None and self.layout is not None:
            cache = growing_cache(self.layout.tensors(head.state.parts), len(batch))
            mask = torch.cat([torch.ones((len(batch), skip), dtype=torch.bool), mask], -1)
        logits = self.run(tokens, mask.long(), positions, cache, **self._last_only)[:, -1]
        self.prompt_tokens += int(rests.sum())
        if self.layout is None:
            self.layout = _layout(cache, self.model)
        split = self.layout.split
        return [
            PromptState(len(p), split(cache, row, len(p) - skip, skip), logits[row].clone())
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
