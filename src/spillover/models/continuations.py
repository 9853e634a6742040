"""Scoring given replies: log P(the reply begins with this continuation as a whole word).

All continuations of a list form one tree of tokens. It is computed in a single pass after the
prompt, each node seeing the prompt and its own ancestors only; so the 101 ratings cost about as
much as a reply of 101 tokens, however they are tokenised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from spillover.errors import ModelError
from spillover.models.chat import Continuation
from spillover.models.forward import Forward
from spillover.models.rows import PromptState, fixed_cache

_PASS_TOKENS = 4096  # tree nodes in one pass
_PASS_BYTES = 256 << 20  # of logits in one pass


class TokenTree:
    """The continuations as a tree of tokens; node i follows node ``parents[i]`` (-1: the prompt).

    Attributes:
        tokens, parents, depths: (nodes,), parents before children, depth 1 after the prompt.
        ends: for each continuation, its last node.
        open: for each continuation, whether it ends inside a word that the reply could go on with.
    """

    def __init__(self, continuations: Sequence[Continuation]) -> None:
        children: dict[tuple[int, int], int] = {}
        tokens: list[int] = []
        parents: list[int] = []
        depths: list[int] = []
        self.ends: list[int] = []
        for continuation in continuations:
            node = -1
            for token in continuation.tokens:
                key = (node, token)
                if key not in children:
                    children[key] = len(tokens)
                    tokens.append(token)
                    depths.append(1 if node < 0 else depths[node] + 1)
                    parents.append(node)
                node = children[key]
            self.ends.append(node)
        self.tokens, self.parents, self.depths = tokens, parents, depths
        self.open = [c.text[-1:].isalnum() for c in continuations]

    def sees(self) -> torch.Tensor:
        """Return (nodes, nodes) booleans: row i is true at i and at its ancestors."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


class Scorer:
    """Scores one list of continuations after any prompt.

    Args:
        forward: the model.
        continuations: their tokens at the start of a reply.
        extends: (vocabulary,) whether a token goes on with the word before it.
    """

    def __init__(
        self, forward: Forward, continuations: Sequence[Continuation], extends: np.ndarray
    ) -> None:
        self.forward = forward
        self.tree = TokenTree(continuations)
        self._sees = self.tree.sees()
        self._extends = torch.from_numpy(extends).to(forward.device)

    def scores(self, prompts: Sequence[tuple[int, ...]]) -> Iterator[np.ndarray]:
        """Yield one array a prompt, in order: (continuations,) log-probabilities in nats, float64.

        The score is the log-probability of the tokens, plus that of a next token which does not
        go on with the last word: a letter or digit goes on with it; end of turn, spaces and
        punctuation end it. Where a continuation itself ends in punctuation, anything may follow.

        Raises:
            ModelError: the architecture does not take positions, so a tree can't be computed.
        """
        if not self.forward.has_positions:
            raise ModelError(
                f"{type(self.forward.model).__name__} takes no position_ids: "
                "continuations can't be scored on it"
            )
        place = 0
        while place < len(prompts):
            # Several prompts in one pass, as long as their logits fit.
            states = self._some(prompts[place:])
            yield from self._score(states)
            place += len(states)

    @torch.inference_mode()
    def _some(self, prompts: Sequence[tuple[int, ...]]) -> list[PromptState]:
        nodes = len(self.tree.tokens)
        count = min(
            _PASS_TOKENS // nodes, _PASS_BYTES // (4 * nodes * len(self._extends)), len(prompts)
        )
        chosen = prompts[: max(1, count)]
        found = self.forward.prompts(chosen)
        states: list[PromptState] = []
        for prompt in chosen:
            if prompt not in found:
                break
            states.append(found[prompt])
        return states

    @torch.inference_mode()
    def _score(self, states: Sequence[PromptState]) -> list[np.ndarray]:
        forward, tree = self.forward, self.tree
        assert forward.layout is not None  # noqa: S101  # the prompts have been computed
        nodes = len(tree.tokens)
        lengths = torch.tensor([state.length for state in states])
        positions = lengths[:, None] + torch.tensor(tree.depths)[None] - 1
        logits = forward.run(
            torch.tensor(tree.tokens).expand(len(states), nodes),
            self._mask(lengths, positions),
            positions,
            fixed_cache(forward.layout, states),
        )
        return [self._read(state.logits, row) for state, row in zip(states, logits, strict=True)]

    def _mask(self, lengths: torch.Tensor, positions: torch.Tensor) -> Any:
        """Return what each node sees, as the model wants it: 0 or the lowest number, added."""
        width, count = int(lengths.max()), len(lengths)
        nodes = len(self.tree.tokens)
        places = torch.arange(width)[None] - (width - lengths)[:, None]  # of the prompt's tokens
        past = (places >= 0)[:, None].expand(count, nodes, width)
        whole = torch.cat([past, self._sees.expand(count, nodes, nodes)], -1)
        config = self.forward.model.config.get_text_config()
        window = getattr(config, "sliding_window", None)
        kinds = getattr(config, "layer_types", None) or ()
        if window is None or width + max(self.tree.depths) <= window:
            return self._added(whole)
        behind = positions[:, :, None] - torch.cat([places, positions], -1)[:, None]
        near = self._added(whole & (behind < window))
        if "full_attention" in kinds:
            return {"full_attention": self._added(whole), "sliding_attention": near}
        return near

    def _added(self, visible: torch.Tensor) -> torch.Tensor:
        dtype = self.forward.model.dtype
        added = torch.zeros(visible.shape, dtype=dtype)
        added.masked_fill_(~visible, torch.finfo(dtype).min)
        return added[:, None].to(self.forward.device)

    def _read(self, first: torch.Tensor, logits: torch.Tensor) -> np.ndarray:
        """Return the scores of one prompt from its first logits and those of the nodes."""
        tree = self.tree
        rows = torch.cat([first[None], logits]).float()
        norms = rows.logsumexp(-1)
        parents = torch.tensor(tree.parents) + 1
        steps = rows[parents, torch.tensor(tree.tokens)] - norms[parents]
        ends = rows[1:].masked_fill(self._extends[None], float("-inf")).logsumexp(-1) - norms[1:]
        step, end = steps.cpu().double().numpy(), ends.cpu().double().numpy()
        total = np.zeros(len(tree.tokens))
        for node, parent in enumerate(tree.parents):
            total[node] = step[node] + (total[parent] if parent >= 0 else 0.0)
        return np.array(
            [
                total[node] + (end[node] if is_open else 0.0)
                for node, is_open in zip(tree.ends, tree.open, strict=True)
            ]
        )
