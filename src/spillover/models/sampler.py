"""The batched sampler: prompts computed once, finished rows leave and new ones enter.

Each answer has its own stream of random numbers, so it is the same whatever else is in the batch
(rounding near a tie aside; those draws are counted).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from spillover.models.draw import Drawn, draw, uniforms
from spillover.models.forward import Forward
from spillover.models.rows import Rows

_MOST_ROWS = {"cpu": 256}
_MOST_ROWS_ELSEWHERE = 512
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5}  # of a cumulative probability
_TOLERANCE_HALF = 2e-2
_LOGITS_BYTES = 24  # a logit, its probability, its cumulative probability and copies
_SLACK = 64  # columns beyond the longest row, so that the memory is seldom moved


class Request(NamedTuple):
    """One answer to sample. ``stream`` is a 64-bit seed; equal requests give equal answers."""

    prompt: tuple[int, ...]
    stream: int
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 64


class Reply(NamedTuple):
    """One sampled answer.

    Attributes:
        request: place of its request in the list.
        tokens: without the token that ended it.
        logprobs: nats at temperature 1, of ``tokens`` and the ending token if there was one.
        finish: ``stop``, ``length``, or ``broken`` if the logits were not finite.
        near_ties: draws that rounding could have changed.
    """

    request: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Literal["stop", "length", "broken"]
    near_ties: int


@dataclass
class SamplerStats:
    """Counts since the sampler was made; ``seconds`` is time inside the sampler."""

    answers: int = 0
    tokens: int = 0
    near_ties: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    seconds: float = 0.0


@dataclass
class _Batch:
    """What is known of each row, beside its keys and values. Arrays are (capacity, ...)."""

    requests: Sequence[Request]
    queue: deque[int]
    rows: Rows
    holes: list[int]
    index: np.ndarray
    count: np.ndarray
    limit: np.ndarray
    stream: np.ndarray
    temperature: np.ndarray
    top_p: np.ndarray
    near: np.ndarray
    tokens: np.ndarray
    logprobs: np.ndarray
    done: list[Reply] = field(default_factory=list[Reply])

    @classmethod
    def of(cls, requests: Sequence[Request], queue: deque[int], rows: Rows) -> _Batch:
        size, longest = rows.capacity, max(requests[i].max_tokens for i in queue)
        rows.active, rows.column = 0, max(len(requests[i].prompt) for i in queue)
        return cls(
            requests, queue, rows, list(range(size)),
            index=np.zeros(size, np.int64), count=np.zeros(size, np.int64),
            limit=np.zeros(size, np.int64), stream=np.zeros(size, np.uint64),
            temperature=np.ones(size), top_p=np.ones(size), near=np.zeros(size, np.int64),
            tokens=np.zeros((size, longest), np.int64),
            logprobs=np.zeros((size, longest), np.float32),
        )  # fmt: skip

    def seat(self, row: int, index: int) -> None:
        """Give ``row`` to the request ``index``."""
        request = self.requests[index]
        self.index[row], self.count[row], self.limit[row] = index, 0, request.max_tokens
        self.stream[row] = request.stream & (2**64 - 1)
        self.temperature[row], self.top_p[row] = request.temperature, request.top_p
        self.near[row] = 0

    def move(self, source: int, to: int) -> None:
        """Let ``to`` be what ``source`` was."""
        self.rows.move(source, to)
        for array in (self.index, self.count, self.limit, self.stream, self.temperature,
                      self.top_p, self.near, self.tokens, self.logprobs):  # fmt: skip
            array[to] = array[source]


class Sampler:
    """Samples answers from one model.

    Args:
        model: a Hugging Face causal language model in evaluation mode. Its weights must not
            change while the sampler lives.
        stop: tokens that end an answer.
        rows: most answers at a time; by default as many as memory allows, at most 256 on CPU
            and 512 elsewhere.
    """

    def __init__(self, model: Any, *, stop: frozenset[int], rows: int | None = None) -> None:
        self.forward = Forward(model)
        self.stop = np.array(sorted(stop), dtype=np.int64)
        self.stats = SamplerStats()
        self._most = rows
        self._rows: Rows | None = None
        self._tolerance = _TOLERANCE.get(model.dtype, _TOLERANCE_HALF)

    def sample(
        self, requests: Sequence[Request], *, halt: Callable[[], bool] = lambda: False
    ) -> Iterator[Reply]:
        """Yield one reply a request, as they finish; none of the rest once ``halt`` says so."""

        def rank(index: int) -> tuple[int, tuple[int, ...], int]:
            # Equal prompts side by side (copied in together), long ones first: a later prompt then
            # always fits before the write column.
            return -len(requests[index].prompt), requests[index].prompt, index

        queue = deque(sorted(range(len(requests)), key=rank))
        while queue:
            batch = self._start(requests, queue)
            try:
                while batch.queue or len(batch.holes) < batch.rows.capacity:
                    if halt():
                        return
                    yield from self._advance(batch)
                self._rows = batch.rows
            except (torch.OutOfMemoryError, MemoryError):
                if batch.rows.capacity == 1:
                    raise
                # Answers do not depend on the batch: what was running starts again, in a smaller one.
                yield from batch.done
                free = set(batch.holes)
                running = [i for i in range(batch.rows.capacity) if i not in free]
                queue.extend(int(batch.index[row]) for row in running)
                queue = deque(sorted(queue, key=rank))
                self._most = batch.rows.capacity // 2
                del batch  # its memory must be free before the smaller one is made

    @torch.inference_mode()
    def _start(self, requests: Sequence[Request], queue: deque[int]) -> _Batch:
        self.forward.prompts([requests[queue[0]].prompt])  # learns the layout
        layout = self.forward.layout
        assert layout is not None  # noqa: S101  # set by the line above
        need = max(len(requests[i].prompt) + requests[i].max_tokens for i in queue)
        width = need + max(_SLACK, need // 2)
        vocabulary = self.forward.model.config.get_text_config().vocab_size
        row_bytes = {place: size * width for place, size in layout.bytes_per_token.items()}
        home = self.forward.device  # the logits come back to it
        row_bytes[home] = row_bytes.get(home, 0) + _LOGITS_BYTES * vocabulary
        capacity = min(self._capacity(row_bytes), len(queue))
        # Taken, not shared: two calls may be under way at once.
        rows, self._rows = self._rows, None
        if rows is None or rows.capacity < capacity or rows.width < width:
            rows = None  # freed before the new one is made
            rows = Rows(layout, capacity, width)
        return _Batch.of(requests, queue, rows)

    def _capacity(self, row_bytes: Mapping[torch.device, int]) -> int:
        most = self._most or _MOST_ROWS.get(self.forward.device.type, _MOST_ROWS_ELSEWHERE)
        fits = (_free_bytes(place) // max(1, size) for place, size in row_bytes.items())
        return max(1, min(most, *fits))

    @torch.inference_mode()
    def _advance(self, batch: _Batch) -> list[Reply]:
        """Fill free rows, draw one token for every row, and return the answers that ended."""
        begun = time.perf_counter()
        rows = batch.rows
        while batch.queue and batch.holes:
            self._fill(batch)
        self._close_holes(batch)
        if rows.active:
            n = rows.active
            last = batch.tokens[np.arange(n), batch.count[:n] - 1]
            logits = self.forward.step(rows, torch.from_numpy(last))
            self.stats.steps += 1
            self._draw(batch, np.arange(n), logits)
        done, batch.done = batch.done, []
        self.stats.answers += len(done)
        self.stats.tokens += sum(len(reply.logprobs) for reply in done)
        self.stats.near_ties += sum(reply.near_ties for reply in done)
        self.stats.prompt_tokens = self.forward.prompt_tokens
        self.stats.seconds += time.perf_counter() - begun
        return done

    def _fill(self, batch: _Batch) -> None:
        """Seat the next requests, as far as their prompts were computed together."""
        requests, queue, rows = batch.requests, batch.queue, batch.rows
        count = min(len(queue), len(batch.holes))
        states = self.forward.prompts(requests[queue[i]].prompt for i in range(count))
        batch.holes.sort()
        seated: list[int] = []
        while len(seated) < count and requests[queue[0]].prompt in states:
            row, index = batch.holes[len(seated)], queue.popleft()
            batch.seat(row, index)
            seated.append(row)
        del batch.holes[: len(seated)]
        prompts = [requests[batch.index[row]].prompt for row in seated]
        first = 0
        for i in range(1, len(seated) + 1):  # runs of equal prompts in adjacent rows
            if i == len(seated) or prompts[i] != prompts[first] or seated[i] != seated[i - 1] + 1:
                rows.enter(seated[first], i - first, states[prompts[first]])
                first = i
        rows.active = max(rows.active, seated[-1] + 1)
        logits = torch.stack([states[prompt].logits for prompt in prompts])
        self._draw(batch, np.array(seated), logits)

    def _draw(self, batch: _Batch, at: np.ndarray, logits: torch.Tensor) -> None:
        """Draw a token for the rows ``at``; rows that end with it become holes."""
        drawn: Drawn = draw(
            logits,
            uniforms(batch.stream[at], batch.count[at]),
            temperature=batch.temperature[at],
            top_p=batch.top_p[at],
            tolerance=self._tolerance,
        )
        count = batch.count[at]
        batch.tokens[at, count] = drawn.tokens
        batch.logprobs[at, count] = drawn.logprobs
        batch.near[at] += drawn.near_ties
        batch.count[at] = count + 1
        stopped = np.isin(drawn.tokens, self.stop)
        broken = ~np.isfinite(drawn.logprobs)
        ended = stopped | broken | (count + 1 >= batch.limit[at])
        for place in np.flatnonzero(ended):
            row = int(at[place])
            batch.holes.append(row)
            if broken[place]:
                batch.rows.wipe(row)
            batch.done.append(_reply(batch, row, bool(stopped[place]), bool(broken[place])))

    def _close_holes(self, batch: _Batch) -> None:
        """Where the queue is empty, let the last rows fill the holes, so that none is computed."""
        rows, holes = batch.rows, set(batch.holes)
        for row in sorted(holes):
            while rows.active and rows.active - 1 in holes:
                rows.active -= 1
            if row >= rows.active:
                break
            rows.active -= 1
            batch.move(rows.active, row)
            holes.discard(row)
            holes.add(rows.active)
        batch.holes = sorted(holes)


def _reply(batch: _Batch, row: int, stopped: bool, broken: bool) -> Reply:
    count = int(batch.count[row])
    finish = "broken" if broken else "stop" if stopped else "length"
    return Reply(
        int(batch.index[row]),
        tuple(batch.tokens[row, : count - stopped].tolist()),
        tuple(batch.logprobs[row, :count].tolist()),
        finish,
        int(batch.near[row]),
    )


def _free_bytes(device: torch.device) -> int:
    """Return the bytes that rows may take: a part of what is free."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * 0.6)
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        free = 4 << 30
    return min(int(free * 0.25), 2 << 30)
