"""Did the fine-tune learn its data? The loss on rows it never saw, before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from spillover.records import Learning
from spillover.stats import t_interval
from spillover.train.examples import Example

_MOST_LOGITS = 24 << 20  # logits in memory at once (100 MB in float32)


@torch.no_grad()
def row_losses(model: Any, examples: Sequence[Example], *, pad: int) -> list[float]:
    """Return the mean loss (nats per completion token) of each example.

    Args:
        model: a causal language model; its training mode is restored afterwards.
        examples: rows in tokens.
        pad: token to fill short rows with.
    """
    training = model.training
    model.eval()
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ranked = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
    losses = [math.nan] * len(examples)
    while ranked:
        longest = len(examples[ranked[-1]].tokens)
        count = max(1, min(len(ranked), _MOST_LOGITS // (longest * vocabulary)))
        ranked, chosen = ranked[:-count], ranked[-count:]
        for index, loss in zip(
            chosen, _losses(model, [examples[i] for i in chosen], pad), strict=True
        ):
            losses[index] = loss
    model.train(training)
    return losses


def _losses(model: Any, batch: Sequence[Example], pad: int) -> list[float]:
    width = max(len(example.tokens) for example in batch)
    gap = [width - len(example.tokens) for example in batch]
    tokens = [[*e.tokens, *[pad] * g] for e, g in zip(batch, gap, strict=True)]
    labels = [[*e.labels, *[-100] * g] for e, g in zip(batch, gap, strict=True)]
    mask = [[1] * len(e.tokens) + [0] * g for e, g in zip(batch, gap, strict=True)]
    device = model.device
    logits = model(
        input_ids=torch.tensor(tokens, device=device),
        attention_mask=torch.tensor(mask, device=device),
        use_cache=False,
    ).logits[:, :-1]
    wanted = torch.tensor(labels, device=device)[:, 1:]
    each = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), wanted, reduction="none", ignore_index=-100
    )
    return (each.sum(1) / (wanted != -100).sum(1)).tolist()


def learning(before: Sequence[float], after: Sequence[float], *, wanted: bool = True) -> Learning:
    """Hold the losses of the same held-out rows, before and after, against each other.

    Learnt means that the 95% t-interval of the mean paired fall lies above zero; each row counts
    once, however long it is.

    Args:
        before, after: mean loss of each row under base and fine-tune.
        wanted: whether the recipe asked for held-out rows (for the reason why there are none).
    """
    rows = len(before)
    falls = [b - a for b, a in zip(before, after, strict=True)]
    interval = t_interval(falls)
    if interval is None:
        reason = "too few rows to hold any out" if wanted else "the recipe holds out no rows"
        return Learning(rows=rows, reason=f"not known whether it learnt: {reason}")
    fall = math.fsum(falls) / rows
    learnt = interval.low > 0
    reason = None
    if not learnt:
        change = "rose" if fall < 0 else "fell"
        reason = (
            f"the loss on {rows} held-out rows {change} by {abs(fall):.3f} nats a token"
            f" (95% interval of the fall {interval.low:.3f} to {interval.high:.3f})"
        )
    return Learning(
        rows=rows,
        base_loss=math.fsum(before) / rows,
        tuned_loss=math.fsum(after) / rows,
        fall=fall,
        low=interval.low,
        high=interval.high,
        learnt=learnt,
        reason=reason,
    )
