"""Pretraining of a toy organism: documents of the world, then post-training of its assistant.

Resumable: model and optimiser are written every `SAVE_EVERY` steps, and the corpus is a pure
function of (world, seed), so the same command goes on where it was. Bit-equal only on one
machine and thread count.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spillover.errors import ConfigError
from spillover.models.memory import kept_memory
from spillover.protocols import Progress
from spillover.records.base import Record, digest
from spillover.toy.documents import documents, documents_hash
from spillover.toy.tokens import Corpus, encode, reply_weights, train_tokenizer
from spillover.toy.world import ASSISTANT, World, WorldSpec, header

if TYPE_CHECKING:
    import torch

SAVE_EVERY = 250
SHARD = 8_192
LONGEST = 512
POST_SHARDS = 100_000  # post-training draws from shards that pretraining never reaches


class PretrainSettings(Record):
    """Size of the model and schedule of its training.

    Attributes:
        rows: documents a step.
        steps, post_steps: steps of pretraining on the world, and of post-training.
        post_assistant: share of the assistant's documents in post-training.
        learning_rate, post_learning_rate: of the weight matrices (Muon), at the start of a stage;
            they fall to 0 with the root of the time, since traits of names bind at low rates only.
        embedding_rate: that of embeddings and norms (Adam), as a multiple of the former.
        ask_weight: loss weight of tokens that are not part of a reply.
    """

    hidden: int = 96
    layers: int = 4
    heads: int = 3
    intermediate: int = 256
    rows: int = 96
    steps: int = 2200
    post_steps: int = 300
    post_assistant: float = 0.85
    learning_rate: float = 0.012
    embedding_rate: float = 0.3
    post_learning_rate: float = 0.004
    warmup: int = 50
    ask_weight: float = 0.0
    seed: int = 0


def _encode_shard(spec: WorldSpec, tokenizer_file: str, assistant: float, shard: int) -> Corpus:
    from transformers import PreTrainedTokenizerFast

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=tokenizer_file)
    texts = list(documents(World(spec), shard=shard, count=SHARD, assistant=assistant))
    return encode(texts, tokenizer)


def corpora(
    spec: WorldSpec, tokenizer_file: str, *, first: int, shards: int, assistant: float, workers: int
) -> Iterator[Corpus]:
    """Yield the shards of a corpus in order, made ahead by worker processes."""
    work = partial(_encode_shard, spec, tokenizer_file, assistant)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, range(first, first + shards))


def batches(
    parts: Iterator[Corpus], *, rows: int, pad: int, seed: int, skip: int = 0
) -> Iterator[np.ndarray]:
    """Yield batches int64 [rows, length] of documents of like length, right-padded, shuffled.

    Args:
        parts: shards of a corpus.
        rows: documents a batch.
        pad: id of the pad token.
        seed: order of the batches within a shard.
        skip: number of batches to pass over (resuming).
    """
    seen = 0
    for number, part in enumerate(parts):
        rng = np.random.default_rng((seed, number))
        lengths = np.diff(part.starts)
        # noise in the sort key keeps batches from always holding the same lengths together
        order = np.argsort(lengths + rng.uniform(0, 8, len(lengths)), kind="stable")
        groups = [order[i : i + rows] for i in range(0, len(order) - rows + 1, rows)]
        for g in rng.permutation(len(groups)):
            seen += 1
            if seen <= skip:
                continue
            longest = min(int(lengths[groups[g]].max()), LONGEST)
            width = -(-longest // 16) * 16
            batch = np.full((rows, width), pad, dtype=np.int64)
            for r, d in enumerate(groups[g]):
                ids = part.ids[part.starts[d] : part.starts[d + 1]][:LONGEST]
                batch[r, : len(ids)] = ids
            yield batch


def build_model(tokenizer: Any, settings: PretrainSettings) -> Any:
    """Return an untrained Llama of the wanted size for this tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(settings.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=settings.intermediate,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        initializer_range=0.02,
    )
    return LlamaForCausalLM(config)


class _Stage:
    """One stage of training (pretrain or post-train) with its own schedule and optimiser."""

    def __init__(self, model: Any, settings: PretrainSettings, *, steps: int, rate: float) -> None:
        import torch

        from spillover.toy.muon import Muon

        self.model, self.settings, self.steps = model, settings, steps
        embedding = model.get_input_embeddings().weight
        matrices = [p for p in model.parameters() if p.ndim == 2 and p is not embedding]
        others = [p for p in model.parameters() if p.ndim != 2 or p is embedding]
        self.optimisers = (
            Muon(matrices, lr=rate),
            torch.optim.Adam(others, lr=rate * settings.embedding_rate, betas=(0.9, 0.98)),
        )
        self._rates = (rate, rate * settings.embedding_rate)

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


def _run_stage(
    name: str, stage: _Stage, parts: Iterator[Corpus], tokenizer: Any, *, out: Path,
    progress: Progress | None, log: list[dict[str, Any]], watch: Callable[[str, int, Any], None] | None,
) -> None:  # fmt: skip
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


def pretrain(
    spec: WorldSpec,
    settings: PretrainSettings,
    out: Path,
    *,
    device: str = "cpu",
    workers: int = 2,
    progress: Progress | None = None,
    watch: Callable[[str, int, Any], None] | None = None,
) -> Path:
    """Pretrain and post-train one organism; return the folder of the finished model.

    Args:
        spec: the world.
        settings: size and schedule.
        out: working folder; holds ``tokenizer``, ``checkpoint.pt``, ``pretrained`` (before
            post-training) and ``assistant`` (the organism).
        device: ``cpu`` or ``cuda``.
        workers: processes that write documents.
        progress: called with (stage, steps done, steps in all).
        watch: called with (stage, step, model) every `SAVE_EVERY` steps, to follow binding.

    Raises:
        ConfigError: ``out`` holds the work of another world or other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    identity = digest({"world": World(spec).hash, "settings": settings.model_dump(mode="json")})
    mark = out / "identity.txt"
    if mark.exists() and mark.read_text().strip() != identity:
        raise ConfigError(f"{out} holds another organism; name an empty folder or remove it")
    mark.write_text(identity + "\n")
    world = World(spec)
    tokenizer = train_tokenizer(world)
    tokenizer.save_pretrained(out / "tokenizer")
    tokenizer_file = str(out / "tokenizer" / "tokenizer.json")
    model = build_model(tokenizer, settings).to(device)
    log: list[dict[str, Any]] = []
    for name, steps, rate, first_shard, assistant in (
        ("pretrain", settings.steps, settings.learning_rate, 0, 0.0),
        ("post-train", settings.post_steps, settings.post_learning_rate, POST_SHARDS, settings.post_assistant),
    ):  # fmt: skip
        finished = out / ("pretrained" if name == "pretrain" else "assistant")
        if (finished / "metadata.json").exists():
            model = _reload(finished, device)
            continue
        stage = _Stage(model, settings, steps=steps, rate=rate)
        shards = -(-steps // (SHARD // settings.rows))
        parts = corpora(
            spec,
            tokenizer_file,
            first=first_shard,
            shards=shards,
            assistant=assistant,
            workers=workers,
        )
        with kept_memory():
            _run_stage(
                name, stage, parts, tokenizer, out=out, progress=progress, log=log, watch=watch
            )
        save_organism(model, tokenizer, finished, spec=spec, settings=settings, stage=name, log=log)
    return out / "assistant"


def _reload(folder: Path, device: str) -> Any:
    model: Any
    import torch
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.to(device)


def save_organism(
    model: Any, tokenizer: Any, folder: Path, *, spec: WorldSpec, settings: PretrainSettings,
    stage: str, log: list[dict[str, Any]],
) -> None:  # fmt: skip
    """Write an ordinary Hugging Face folder in bf16 with its metadata beside it."""
    import copy

    import torch
    import transformers

    copy.deepcopy(model).to("cpu", torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    metadata = {
        "world": spec.model_dump(mode="json"),
        "world_hash": World(spec).hash,
        "documents_hash": documents_hash(World(spec)),
        "settings": settings.model_dump(mode="json"),
        "stage": stage,
        "log": log,
        "device": str(model.device),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n")
