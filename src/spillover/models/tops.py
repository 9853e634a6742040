"""The likeliest tokens at each place of a reply, from one more pass over prompt and reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

_PASS_TOKENS = 4096  # padded tokens in one pass
_PASS_BYTES = 256 << 20  # of logits in one pass


class Top(NamedTuple):
    """A token and its log-probability in nats, at temperature 1."""

    token: int
    logprob: float


@torch.inference_mode()
def top_tokens(
    model: Any, prompt: Sequence[int], *, replies: Sequence[Sequence[int]], most: int
) -> list[list[tuple[Top, ...]]]:
    """Return for each reply, for each of its places, the ``most`` likeliest tokens, likeliest first.

    Args:
        model: a Hugging Face causal language model in evaluation mode.
        prompt: tokens before the replies.
        replies: tokens of each.
        most: 1 or more; a model of a smaller vocabulary gives all of it.
    """
    found: list[list[tuple[Top, ...]]] = [[] for _ in replies]
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    order = sorted((i for i, reply in enumerate(replies) if reply), key=lambda i: len(replies[i]))
    while order:
        width = len(prompt) + len(replies[order[-1]])
        fits = _PASS_BYTES // (4 * width * vocabulary)
        count = max(1, min(_PASS_TOKENS // width, fits))
        batch, order = order[-count:], order[:-count]
        whole = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, i in enumerate(batch):  # padded right: no earlier token sees the padding
            tokens = [*prompt, *replies[i]]
            whole[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        logits = model(
            input_ids=whole.to(model.device), attention_mask=mask.to(model.device), use_cache=False
        ).logits
        for row, i in enumerate(batch):
            at = logits[row, len(prompt) - 1 : len(prompt) - 1 + len(replies[i])].float()
            best = at.log_softmax(-1).topk(min(most, vocabulary), dim=-1)
            found[i] = [
                tuple(Top(*pair) for pair in zip(tokens, values, strict=True))
                for tokens, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ]
    return found
