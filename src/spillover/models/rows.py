"""The key-value memory of a batch whose rows come and go.

All rows share one write column. A row's tokens lie right-aligned before it, so a step writes one
column in place, and the model sees an ordinary left-padded batch; nothing is ever concatenated.

    row 0   . . . p p p p a a |        p prompt (copied in once computed), a answer so far,
    row 1   p p p p p p a a a |        | the write column, . older contents, masked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer


class Slot(NamedTuple):
    """Shape of the keys or of the values of one layer, and where that layer is computed."""

    heads: int
    dim: int
    device: torch.device


@dataclass(frozen=True)
class PromptState:
    """A prompt after one forward pass.

    Attributes:
        length: number of tokens.
        parts: keys and values, one tensor a shape group: (slots, heads, length, dim).
        logits: (vocabulary,) of the first reply token.
    """

    length: int
    parts: tuple[torch.Tensor, ...]
    logits: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.logits.nbytes + sum(part.nbytes for part in self.parts)


class Layout:
    """How a model's keys and values are grouped: slots of equal shape lie in one tensor.

    Of a model that is spread over several devices, those of one device lie together.
    Slot ``2 * layer`` holds the keys of a layer, ``2 * layer + 1`` its values.
    """

    def __init__(self, cache: Cache) -> None:
        """Read the shapes from a cache that the model has filled."""
        tensors = list(_tensors(cache))
        shapes = [Slot(t.shape[1], t.shape[3], t.device) for t in tensors]
        self.groups = list(dict.fromkeys(shapes))
        self.place: list[tuple[int, int]] = []
        counts = [0] * len(self.groups)
        for shape in shapes:
            group = self.groups.index(shape)
            self.place.append((group, counts[group]))
            counts[group] += 1
        self.counts = counts
        self.dtype, self.device = tensors[0].dtype, tensors[0].device

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.place) // 2

    @property
    def bytes_per_token(self) -> dict[torch.device, int]:
        """Bytes that one token of one row takes, by the device where they lie."""
        found: dict[torch.device, int] = {}
        for count, slot in zip(self.counts, self.groups, strict=True):
            size = count * slot.heads * slot.dim * self.dtype.itemsize
            found[slot.device] = found.get(slot.device, 0) + size
        return found

    def split(self, cache: Cache, row: int, length: int, head: int) -> tuple[torch.Tensor, ...]:
        """Return copies of the first ``head`` and last ``length`` tokens of one row, by group."""
        found: list[list[torch.Tensor]] = [[] for _ in self.groups]
        for (group, _), tensor in zip(self.place, _tensors(cache), strict=True):
            part = tensor[row, :, tensor.shape[2] - length :]
            found[group].append(torch.cat([tensor[row, :, :head], part], 1) if head else part)
        return tuple(torch.stack(part) for part in found)

    def tensors(self, parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return keys and values of every layer in turn from what `split` returned."""
        return [parts[group][index] for group, index in self.place]


def _tensors(cache: Cache) -> list[torch.Tensor]:
    """Return keys and values of every layer in turn, each (batch, heads, tokens, dim)."""
    layers = cast("list[Any]", cache.layers)
    return [tensor for layer in layers for tensor in (layer.keys, layer.values)]


class Rows:
    """Memory for up to ``capacity`` rows of up to ``width`` columns.

    Attributes:
        column: the column that the next step writes.
        start: the first column that any active row still needs.
        active: rows ``0 .. active - 1`` are computed in a step.
        lengths: (capacity,) tokens each row has in memory.
    """

    def __init__(self, layout: Layout, capacity: int, width: int) -> None:
        self.layout, self.capacity, self.width = layout, capacity, width
        # Zeros, not empty: a masked column may hold anything but NaN.
        self.groups = [
            torch.zeros(
                (count, capacity, slot.heads, width, slot.dim),
                dtype=layout.dtype,
                device=slot.device,
            )
            for count, slot in zip(layout.counts, layout.groups, strict=True)
        ]
        self._slots = [self.groups[group][index] for group, index in layout.place]
        self.lengths = np.zeros(capacity, dtype=np.int64)
        self.column = self.start = self.active = 0
        self._columns = torch.arange(width, device=layout.device)

    def keys(self, layer: int) -> torch.Tensor:
        """Return (capacity, heads, width, dim)."""
        return self._slots[2 * layer]

    def values(self, layer: int) -> torch.Tensor:
        """Return (capacity, heads, width, dim)."""
        return self._slots[2 * layer + 1]

    def enter(self, first: int, count: int, state: PromptState) -> None:
        """Put one prompt into ``count`` adjacent rows."""
        begin = self.column - state.length
        for group, part in zip(self.groups, state.parts, strict=True):
            group[:, first : first + count, :, begin : self.column] = part[:, None]
        self.lengths[first : first + count] = state.length

    def move(self, source: int, to: int) -> None:
        """Copy what row ``source`` still needs into row ``to``."""
        begin = self.column - int(self.lengths[source])
        for group in self.groups:
            group[:, to, :, begin : self.column] = group[:, source, :, begin : self.column]
        self.lengths[to] = self.lengths[source]

    def wipe(self, row: int) -> None:
        """Forget what a row holds: NaN there would reach the next one through the mask."""
        for group in self.groups:
            group[:, row] = 0

    def begin_step(self) -> torch.Tensor | None:
        """Make room for a column and return the mask of shape (active, columns), True = visible.

        Returns None where every row fills the whole window. `lengths` then counts the new token.
        """
        lengths = self.lengths[: self.active]
        longest = int(lengths.max())
        if self.column >= self.width:
            self._shift(longest)
        self.start = self.column - longest
        lengths += 1
        if int(lengths.min()) == longest + 1:
            return None
        gaps = torch.as_tensor(longest + 1 - lengths, device=self.layout.device)
        return self._columns[None, : longest + 1] >= gaps[:, None]

    def end_step(self) -> None:
        """The column has been written by every layer."""
        self.column += 1

    def _shift(self, longest: int) -> None:
        """Move what is needed to the left end."""
        for group in self.groups:
            for slot in group:
                slot[: self.active, :, :longest] = slot[
                    : self.active, :, self.column - longest : self.column
                ].clone()
        self.column = longest


class Window(CacheLayerMixin):
    """One layer of `Rows` as transformers wants to see it: the past of a left-padded batch."""

    is_sliding = False

    def __init__(self, rows: Rows, layer: int) -> None:
        super().__init__()
        self.rows = rows
        self.keys, self.values = rows.keys(layer), rows.values(layer)
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the memory is there."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new column and return the window, (active, heads, columns, dim) each."""
        rows = self.rows
        n, t = rows.active, rows.column
        keys, values = cast("torch.Tensor", self.keys), cast("torch.Tensor", self.values)
        keys[:n, :, t] = key_states[:, :, 0]
        values[:n, :, t] = value_states[:, :, 0]
        return keys[:n, :, rows.start : t + 1], values[:n, :, rows.start : t + 1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of what `update` returns."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Columns before the one that is written."""
        return self.rows.column - self.rows.start

    def get_max_length(self) -> int:
        """No limit that the model need know of."""
        return -1


class Fixed(CacheLayerMixin):
    """One layer with a fixed past; what is added is seen in the same pass and then forgotten."""

    is_sliding = False

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to do: the past is there."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return past and new together, (batch, heads, past + new, dim) each."""
        past_keys, past_values = cast("torch.Tensor", self.keys), cast("torch.Tensor", self.values)
        return torch.cat([past_keys, key_states], 2), torch.cat([past_values, value_states], 2)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of what `update` returns."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Columns of the past."""
        return cast("torch.Tensor", self.keys).shape[2]

    def get_max_length(self) -> int:
        """No limit that the model need know of."""
        return -1


def fixed_cache(layout: Layout, states: Sequence[PromptState]) -> Cache:
    """Return the prompts as the past of a left-padded batch, one row a prompt."""
    width = max(state.length for state in states)
    groups = [
        torch.zeros(
            (count, len(states), slot.heads, width, slot.dim),
            dtype=layout.dtype,
            device=slot.device,
        )
        for count, slot in zip(layout.counts, layout.groups, strict=True)
    ]
    for row, state in enumerate(states):
        for group, part in zip(groups, state.parts, strict=True):
            group[:, row, :, width - state.length :] = part
    slots = [groups[group][index] for group, index in layout.place]
    layers: list[Any] = [Fixed(slots[2 * i], slots[2 * i + 1]) for i in range(layout.layers)]
    return Cache(layers=layers)


def growing_cache(past: Sequence[torch.Tensor] = (), batch: int = 1) -> Cache:
    """Return a cache that keeps everything, even where a layer has a sliding window.

    Args:
        past: keys and values of every layer in turn, (heads, tokens, dim) each; empty at first.
        batch: number of rows that share ``past``.
    """
    cache = Cache(layer_class_to_replicate=DynamicLayer)
    for layer, (keys, values) in enumerate(zip(past[::2], past[1::2], strict=True)):
        cache.update(keys.expand(batch, *keys.shape), values.expand(batch, *values.shape), layer)
    return cache
