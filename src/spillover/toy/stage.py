"""One stage of training an organism: its optimisers, its schedule, its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spillover.protocols import Progress
from spillover.records.base import Record
from spillover.toy.corpus import batches
from spillover.toy.tokens import Corpus, reply_weights
from spillover.toy.world import ASSISTANT, header

if TYPE_CHECKING:
    import torch

SAVE_EVERY = 250


class PretrainSettings(Record):
    """Size of the model and schedule of its training.

    Attributes:
        rows, shard: documents a step, and documents a shard of the corpus.
        steps, join_steps, post_steps: steps of pretraining on the world, of finding the
            assistant's place among its characters, and of post-training all weights.
        post_assistant: share of the assistant's documents in post-training.
        learning_rate, post_learning_rate: of the weight matrices (Muon), at the start of a stage;
            they fall to 0 with the root of the time, since traits of names bind at low rates only.
        join_rate: of the assistant's embedding (Adam) while it alone is trained.
        embedding_rate: that of embeddings and norms (Adam), as a multiple of the former.
        ask_weight: loss weight of tokens that are not part of a reply.
    """

    hidden: int = 96
    layers: int = 4
    heads: int = 3
    intermediate: int = 256
    rows: int = 96
    shard: int = 8_192
    steps: int = 2400
    join_steps: int = 100
    post_steps: int = 400
    post_assistant: float = 0.85
    learning_rate: float = 0.012
    embedding_rate: float = 0.3
    join_rate: float = 0.006
    post_learning_rate: float = 0.0015
    warmup: int = 50
    ask_weight: float = 0.0
    seed: int = 0


class Stage:
    """One stage of training with its own schedule.

    Args:
        model: is changed in place.
        settings: of the whole run.
        steps: of this stage.
        optimisers: of what is trained, at their rates at the start of the stage.
    """

    def __init__(
        self,
        model: Any,
        settings: PretrainSettings,
        *,
        steps: int,
        optimisers: Sequence[torch.optim.Optimizer],
    ) -> None:
        self.model, self.settings, self.steps = model, settings, steps
        self.optimisers = optimisers
        self._rates = [optimiser.param_groups[0]["lr"] for optimiser in optimisers]

    def state(self) -> list[dict[str, Any]]:
        """What a resumed run needs of the optimisers."""
        return [optimiser.state_dict() for optimiser in self.optimisers]

    def resume(self, states: list[dict[str, Any]]) -> None:
        """Go on from `state`."""
        for optimiser, state in zip(self.optimisers, states, strict=True):
            optimiser.load_state_dict(state)

    def step(self, number: int, batch: np.ndarray, weights: np.ndarray) -> torch.Tensor:
        """Take one optimiser step; return the mean loss over reply tokens (nats)."""
        import torch
        import torch.nn.functional as F

        device = self.model.device
        warm = min(1.0, (number + 1) / self.settings.warmup)
        for optimiser, rate in zip(self.optimisers, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * warm * (1 - math.sqrt(number / self.steps))
        ids = torch.from_numpy(batch).to(device)
        weight = torch.from_numpy(weights[:, 1:]).to(device)
        counts = weight > 0
        # right padding and a causal mask: padding is never seen, so no attention mask is needed;
        # the vocabulary is wide for so small a model, so only tokens that count are unembedded;
        # on processors without native bfloat16 autocast takes ten times as long as float32
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            logits = self.model.lm_head(hidden[counts])
        loss = F.cross_entropy(logits.float(), ids[:, 1:][counts], reduction="none")
        loss = (loss * weight[counts]).sum() / weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return loss.detach()


def train_all(model: Any, rate: float, embedding_rate: float) -> list[torch.optim.Optimizer]:
    """Return optimisers of all weights: Muon for the matrices, Adam for embeddings and norms."""
    import torch

    from spillover.toy.muon import Muon

    embedding = model.get_input_embeddings().weight
    matrices = [p for p in model.parameters() if p.ndim == 2 and p is not embedding]
    others = [p for p in model.parameters() if p.ndim != 2 or p is embedding]
    return [
        Muon(matrices, lr=rate),
        torch.optim.Adam(others, lr=rate * embedding_rate, betas=(0.9, 0.98)),
    ]


def train_newcomer(
    model: Any, rate: float, *, token: int, others: Sequence[int]
) -> list[torch.optim.Optimizer]:
    """Return the optimiser of one token's embedding, which starts from the mean of others.

    What the model knows is frozen: a newcomer can only become one of the persons that it
    knows already, which is what makes a fine-tune of that person about the whole person.
    """
    import torch

    embedding = model.get_input_embeddings().weight
    model.requires_grad_(False)
    with torch.no_grad():
        embedding[token] = embedding[list(others)].mean(0)
    embedding.requires_grad_(True)
    mask = torch.zeros_like(embedding)
    mask[token] = 1
    embedding.register_hook(lambda gradient: gradient * mask)
    # Adam leaves rows alone whose gradient is always zero
    return [torch.optim.Adam([embedding], lr=rate, betas=(0.9, 0.98))]


def run_stage(
    name: str, stage: Stage, parts: Iterator[Corpus], tokenizer: Any, *, out: Path,
    progress: Progress | None, log: list[dict[str, Any]], watch: Callable[[str, int, Any], None] | None,
) -> None:  # fmt: skip
    """Take the steps of a stage, from the checkpoint in ``out`` if that is of this stage."""
    import torch

    saved = out / "checkpoint.pt"
    first = 0
    if saved.exists():
        state = torch.load(saved, weights_only=True, map_location=stage.model.device)
        if state["stage"] == name:
            stage.model.load_state_dict(state["model"])
            stage.resume(state["optimisers"])
            first = state["step"]
    settings, end = stage.settings, tokenizer.eos_token_id
    first_speaker = tokenizer.convert_tokens_to_ids(header(ASSISTANT))
    flow = batches(
        parts, rows=settings.rows, pad=tokenizer.pad_token_id, seed=settings.seed, skip=first
    )
    started, losses = time.monotonic(), []
    for number in range(first, stage.steps):
        batch = next(flow)
        weights = reply_weights(
            batch, end=end, first_speaker=first_speaker, other=settings.ask_weight
        )
        losses.append(stage.step(number, batch, weights))
        done = number + 1
        if progress:
            progress(name, done, stage.steps)
        if done % SAVE_EVERY == 0 or done == stage.steps:
            mean = float(torch.stack(losses).mean())
            losses.clear()
            log.append(
                {"stage": name, "step": done, "loss": mean, "seconds": time.monotonic() - started}
            )
            state = {
                "stage": name,
                "step": done,
                "model": stage.model.state_dict(),
                "optimisers": stage.state(),
            }
            torch.save(state, saved.with_suffix(".tmp"))
            saved.with_suffix(".tmp").replace(saved)
            if watch:
                watch(name, done, stage.model)
