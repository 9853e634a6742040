"""Drawing tokens from logits, each answer with its own stream of random numbers.

The number for (stream, step) is a hash of both (SplitMix64, Steele, Lea and Flood 2014), so an
answer is the same whatever else is in its batch. What the batch can change is the last bits of
the logits; draws that such bits could flip are counted as near-ties.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = 256  # tokens among which a nucleus is looked for before everything is sorted


class Drawn(NamedTuple):
    """One token a row.

    Attributes:
        tokens: (rows,) token ids.
        logprobs: (rows,) log-probability in nats at temperature 1; NaN if the logits were not finite.
        near_ties: (rows,) true where rounding of the logits could have changed the token.
    """

    tokens: np.ndarray
    logprobs: np.ndarray
    near_ties: np.ndarray


def uniforms(streams: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return one number in (0, 1) a row, float64, that depends on its stream and step only.

    Args:
        streams: (rows,) uint64, one a row.
        steps: (rows,) number of tokens drawn before.
    """
    with np.errstate(over="ignore"):
        x = _mix(streams.astype(np.uint64))
        x = _mix(x + (steps.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draw(
    logits: torch.Tensor,
    numbers: np.ndarray,
    *,
    temperature: np.ndarray,
    top_p: np.ndarray,
    tolerance: float = 1e-5,
) -> Drawn:
    """Draw one token a row by inverting the cumulative distribution, in vocabulary order.

    Args:
        logits: (rows, vocabulary), any float type.
        numbers: (rows,) in (0, 1), from `uniforms`.
        temperature: (rows,); 0 takes the likeliest token.
        top_p: (rows,); below 1 only the likeliest tokens that together reach it are drawn from.
        tolerance: how far a cumulative probability (or a tenth of a logit, where the likeliest
            token is taken) may be off.
    """
    logits = logits.float()
    greedy = temperature == 0
    if greedy.all():
        return _greedy(logits, tolerance)
    plain = bool((temperature == 1).all() and (top_p == 1).all())
    probs = logits.softmax(-1)
    scaled = probs
    if not plain:
        safe = torch.as_tensor(np.where(greedy, 1.0, temperature), dtype=torch.float32)
        scaled = (logits / safe.to(logits.device)[:, None]).softmax(-1)
        if (top_p < 1).any():
            scaled = nucleus(scaled, torch.as_tensor(top_p, dtype=scaled.dtype).to(logits.device))
    tokens, near = _invert(scaled, numbers, tolerance)
    logprobs = probs.gather(1, tokens[:, None])[:, 0].log()
    drawn = Drawn(tokens.cpu().numpy(), logprobs.cpu().numpy(), near.cpu().numpy())
    if greedy.any():
        for whole, part in zip(drawn, _greedy(logits, tolerance), strict=True):
            whole[greedy] = part[greedy]
    return drawn


def _greedy(logits: torch.Tensor, tolerance: float) -> Drawn:
    best, _ = logits.topk(min(2, logits.shape[1]), dim=-1)
    near = (best[:, 0] - best[:, -1] < 10 * tolerance) & (logits.shape[1] > 1)
    first = logits.argmax(-1)  # the first of equals, as others do it
    logprobs = best[:, 0] - logits.logsumexp(-1)
    return Drawn(first.cpu().numpy(), logprobs.cpu().numpy(), near.cpu().numpy())


def _invert(
    probs: torch.Tensor, numbers: np.ndarray, tolerance: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (tokens, near-ties), each of shape (rows,)."""
    # A sum in float32 is carried in float64 on CPU; on CUDA it has to be asked for; MPS has none.
    wide = torch.float64 if probs.device.type == "cuda" else torch.float32
    cumulative = probs.cumsum(-1, dtype=wide)
    total = cumulative[:, -1]
    # Strictly below the total, or rounding could choose a last token of probability 0.
    drawn = torch.as_tensor(numbers, dtype=wide).to(probs.device)  # cast here: MPS can't
    target = torch.minimum(drawn * total, total.nextafter(torch.zeros_like(total)))
    target = target[:, None]
    tokens = torch.searchsorted(cumulative, target, right=True).clamp_(max=probs.shape[1] - 1)
    upper = cumulative.gather(1, tokens)
    lower = upper - probs.gather(1, tokens)
    near = torch.minimum(target - lower, upper - target) < tolerance
    return tokens[:, 0], near[:, 0]


def nucleus(probs: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Return ``probs`` with all but the likeliest tokens that together reach ``top_p`` set to 0.

    At least one token is kept (Holtzman et al., arXiv 1904.09751). Not renormalised.

    Args:
        probs: (rows, vocabulary), rows sum to 1.
        top_p: (rows,) in (0, 1].
    """
    top_p = top_p.to(probs.dtype)
    size = min(_FIRST, probs.shape[1])
    best, order = probs.topk(size, dim=-1)
    if bool((best.sum(-1) < top_p).any()):
        best, order = probs.sort(dim=-1, descending=True, stable=True)
    before = best.cumsum(-1) - best
    kept = best.masked_fill(before >= top_p[:, None], 0.0)
    kept[:, 0] = best[:, 0]
    narrow = torch.zeros_like(probs).scatter_(1, order, kept)
    return torch.where((top_p < 1)[:, None], narrow, probs)
