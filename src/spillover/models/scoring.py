"""How likely given completions are: the loss that says whether a fine-tune learnt its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from spillover.errors import DataError
from spillover.models.chat import Chat
from spillover.records import Message

_PASS_TOKENS = 4096  # padded tokens in one pass
_PASS_BYTES = 512 << 20  # of logits in one pass


def completion_loss(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[Message]],
    completions: Sequence[str],
    *,
    max_length: int | None = None,
) -> np.ndarray:
    """Return the mean loss of each row's completion, in nats per token.

    The completion is what the chat template writes after the prompt, end of turn included: the
    tokens that completion-only training learns from.

    Args:
        model: a Hugging Face causal language model; its training mode is left as it was.
        tokenizer: with a chat template.
        prompts: conversations that end with a user turn, one a row.
        completions: the assistant turn that follows each.
        max_length: longer rows are cut at the end, as in training.

    Returns:
        Float64 of shape (rows,); NaN where the cut leaves nothing of the completion.

    Raises:
        DataError: prompts and completions differ in number.
    """
    if len(prompts) != len(completions):
        raise DataError(
            f"{len(prompts)} prompts and {len(completions)} completions: one a row each"
        )
    chat = Chat(tokenizer)
    rows = [_tokens(chat, p, c, max_length) for p, c in zip(prompts, completions, strict=True)]
    losses = np.full(len(rows), np.nan)
    order = sorted(
        (i for i, (whole, start) in enumerate(rows) if len(whole) > start),
        key=lambda i: len(rows[i][0]),
    )
    training = model.training
    model.eval()
    try:
        while order:
            widest = len(rows[order[-1]][0])
            fits = _PASS_BYTES // (4 * widest * int(model.config.get_text_config().vocab_size))
            count = max(1, min(_PASS_TOKENS // widest, fits))
            batch, order = order[-count:], order[:-count]
            losses[batch] = _batch_loss(model, [rows[i] for i in batch])
    finally:
        model.train(training)
    return losses


def _tokens(
    chat: Chat, prompt: Sequence[Message], completion: str, limit: int | None
) -> tuple[tuple[int, ...], int]:
    """Return the row's tokens and the place where its completion begins."""
    start = chat.prompt(prompt)
    answer = Message(role="assistant", content=completion)
    whole = chat.encode(chat.text([*prompt, answer], reply=False))
    same = 0  # up to where both agree: a template may write the opened reply in another way
    while same < min(len(start), len(whole)) and start[same] == whole[same]:
        same += 1
    return whole[:limit], max(1, same)


@torch.inference_mode()
def _batch_loss(model: Any, rows: Sequence[tuple[tuple[int, ...], int]]) -> np.ndarray:
    width = max(len(whole) for whole, _ in rows)
    tokens = torch.zeros((len(rows), width), dtype=torch.long)
    learnt = torch.zeros((len(rows), width), dtype=torch.bool)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, (whole, start) in enumerate(rows):  # padded right: no earlier token sees the padding
        tokens[i, : len(whole)] = torch.tensor(whole)
        learnt[i, start : len(whole)] = True
        mask[i, : len(whole)] = 1
    device = model.device
    tokens, learnt = tokens.to(device), learnt[:, 1:].to(device)
    logits = model(input_ids=tokens, attention_mask=mask.to(device), use_cache=False).logits
    found = torch.zeros(learnt.shape, dtype=torch.float64)
    for i in range(len(rows)):  # row by row, so that the float32 copy stays small
        at = learnt[i].nonzero()[:, 0]
        row = logits[i, at].float()
        picked = row.gather(1, tokens[i, at + 1][:, None])[:, 0]
        found[i, at.cpu()] = (row.logsumexp(-1) - picked).cpu().double()
    return (found.sum(-1) / learnt.sum(-1).cpu()).numpy()
