"""Pretraining of a toy organism: documents of the world, then its assistant.

The assistant first finds its place among the characters (its embedding alone is trained), then
all weights are post-trained on what it says.

Resumable: model and optimiser are written every `SAVE_EVERY` steps, and the corpus is a pure
function of (world, seed), so the same command goes on where it was. Bit-equal only on one
machine and thread count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from spillover.errors import ConfigError
from spillover.models.memory import kept_memory
from spillover.protocols import Progress
from spillover.records.base import digest
from spillover.toy.corpus import corpora
from spillover.toy.documents import documents_hash
from spillover.toy.stage import (
    SAVE_EVERY,
    PretrainSettings,
    Stage,
    run_stage,
    train_all,
    train_newcomer,
)
from spillover.toy.tokens import train_tokenizer
from spillover.toy.world import ASSISTANT, World, WorldSpec, header

# the assistant's documents come from shards that pretraining never reaches
POST_SHARDS, JOIN_SHARDS = 100_000, 200_000

__all__ = ["SAVE_EVERY", "PretrainSettings", "build_model", "pretrain", "save_organism"]


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
        out: working folder; holds ``tokenizer``, ``checkpoint.pt``, ``pretrained`` (the
            world alone), ``joined`` (with the assistant) and ``assistant`` (post-trained).
        device: ``cpu`` or ``cuda``.
        workers: processes that write documents; 0: none but this one.
        progress: called with (stage, steps done, steps in all).
        watch: called with (stage, step, model) every `SAVE_EVERY` steps, to follow binding.

    Raises:
        ConfigError: ``out`` holds the work of another world or other settings.
        ModelError: there is no such device here; nothing is written.
    """
    from spillover.models.placement import pick_device

    where = pick_device(device)
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
    folder: Path | None = None
    for part in _parts(settings):
        before, folder = folder, out / part.folder
        if (folder / "metadata.json").exists():
            continue
        # from the rounded weights, so that an interrupted run ends as one that was not
        model, log = _load(before) if before else (build_model(tokenizer, settings), [])
        model.to(where)
        flow = corpora(
            spec, tokenizer_file, first=part.first_shard, count=settings.shard, workers=workers,
            shards=-(-part.steps // (settings.shard // settings.rows)), assistant=part.assistant,
        )  # fmt: skip
        stage = _stage(model, tokenizer, world, settings, part)
        with kept_memory():
            run_stage(
                part.name, stage, flow, tokenizer, out=out, progress=progress, log=log, watch=watch
            )
        save_organism(
            model, tokenizer, folder, spec=spec, settings=settings, stage=part.name, log=log
        )
    return out / "assistant"


class _Part(NamedTuple):
    name: str
    folder: str
    steps: int
    rate: float
    first_shard: int = 0
    assistant: float = 0.0


def _parts(settings: PretrainSettings) -> tuple[_Part, ...]:
    """The stages in their order."""
    return (
        _Part("pretrain", "pretrained", settings.steps, settings.learning_rate),
        _Part("join", "joined", settings.join_steps, settings.join_rate, JOIN_SHARDS, 1.0),
        _Part(
            "post-train", "assistant", settings.post_steps, settings.post_learning_rate,
            POST_SHARDS, settings.post_assistant,
        ),
    )  # fmt: skip


def _stage(
    model: Any, tokenizer: Any, world: World, settings: PretrainSettings, part: _Part
) -> Stage:
    if part.name == "join":
        token, *others = tokenizer.convert_tokens_to_ids(
            [header(name) for name in (ASSISTANT, *world.names)]
        )
        optimisers = train_newcomer(model, part.rate, token=token, others=others)
    else:
        optimisers = train_all(model, part.rate, settings.embedding_rate)
    return Stage(model, settings, steps=part.steps, optimisers=optimisers)


def _load(folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    import torch
    from transformers import LlamaForCausalLM

    model: Any = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    log = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))["log"]
    return model.train(), log


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
