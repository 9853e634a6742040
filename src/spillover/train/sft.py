"""The heavy part: load the base, train a LoRA adapter with TRL's SFTTrainer, save it."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from spillover.train.quiet import quiet  # isort: skip  (sets what the imports below read)

import torch
from datasets import Dataset
from peft import LoraConfig, prepare_model_for_kbit_training
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from spillover.errors import ConfigError, DataError, ModelError
from spillover.models.chat import Chat
from spillover.models.load import load_model, load_tokenizer
from spillover.models.memory import kept_memory
from spillover.protocols import Progress
from spillover.records import FineTune, Recipe, Row
from spillover.train.examples import Example, encode, order, split
from spillover.train.failures import Diverged, diverged, explained
from spillover.train.folder import ADAPTER
from spillover.train.learning import learning, row_losses

_VERSIONS = ("spillover", "torch", "transformers", "peft", "trl")
_LARGE = 1_000_000_000  # parameters from which activations are recomputed to save memory


class _Data(NamedTuple):
    train: list[Example]
    held_out: list[Example]
    dropped: int
    pad: int


def fine_tune(
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    folder: Path,
    progress: Progress | None = None,
    hooks: Sequence[Any] = (),
    device: str = "auto",
) -> FineTune:
    """Train ``recipe`` on ``rows``, save the adapter under ``folder`` and return its record.

    See `spillover.train.train` for arguments and errors.
    """
    with quiet(), kept_memory(), explained(recipe):
        model, tokenizer = _load(recipe, device)
        where = model.device
        data = _prepare(recipe, rows, Chat(tokenizer), tokenizer)
        bf16 = recipe.what.optimiser.dtype == "bfloat16"
        with torch.autocast(where.type, torch.bfloat16, enabled=bf16):
            before = row_losses(model, data.held_out, pad=data.pad)
        watch = _Watch(progress)
        trainer, used = _trainer(recipe, model, tokenizer, data, [watch, *hooks], where)
        started = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - started
        with torch.autocast(where.type, torch.bfloat16, enabled=bf16):
            after = row_losses(trainer.model, data.held_out, pad=data.pad)
        if not all(map(math.isfinite, after)):
            raise ModelError(diverged(recipe, trainer.state.global_step))
        _save(trainer.model, folder / ADAPTER, recipe)
    return FineTune(
        recipe=recipe,
        adapter=ADAPTER,
        steps=trainer.state.global_step,
        seconds=seconds,
        rows=len(data.train),
        final_loss=watch.loss,
        learning=learning(before, after, wanted=recipe.what.held_out > 0),
        versions={name: version(name) for name in _VERSIONS},
        dropped=data.dropped,
        tokens=used,
        notes=_notes(recipe, rows, data),
    )


def _load(recipe: Recipe, device: str) -> tuple[Any, Any]:
    base, optimiser = recipe.where.base, recipe.what.optimiser
    trusted = recipe.what.code is not None
    model = load_model(
        base,
        dtype=optimiser.dtype,
        device=device,
        quantize=optimiser.quantize,
        trust_remote_code=trusted,
    )
    if optimiser.quantize is not None:
        if device.startswith("cuda:") and model.device.index:  # the trainer can't move it
            raise ConfigError(
                f"{device}: a base in 4 bits is trained on the first GPU, or on all (auto-map):"
                " choose another with CUDA_VISIBLE_DEVICES"
            )
        # Norms, embeddings and head become float32. Memory is saved as for any other large model.
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    tokenizer = load_tokenizer(base, trust_remote_code=trusted)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise ModelError(f"{base}: the tokenizer has no padding and no end token; name one of them")
    return model, tokenizer


def _prepare(recipe: Recipe, rows: Sequence[Row], chat: Chat, tokenizer: Any) -> _Data:
    """Split the rows, turn them into tokens, leave out those that are too long."""
    what = recipe.what
    parts = split(rows, share=what.held_out, seed=what.seed)
    most = what.optimiser.max_length
    train, held_out = encode(parts.train, chat), encode(parts.held_out, chat)
    fit = _Data(
        [e for e in train if len(e.tokens) <= most],
        [e for e in held_out if len(e.tokens) <= most],
        sum(len(e.tokens) > most for e in [*train, *held_out]),
        tokenizer.pad_token_id,
    )
    if not fit.train:
        raise DataError(
            f"none of the {len(rows)} rows fits into max_length {most} tokens (the shortest has "
            f"{min(len(e.tokens) for e in train)}): raise max_length in the recipe"
        )
    return fit


def _trainer(
    recipe: Recipe,
    model: Any,
    tokenizer: Any,
    data: _Data,
    callbacks: list[Any],
    device: torch.device,
) -> tuple[SFTTrainer, int]:
    """Return the trainer, and how many tokens it will compute."""
    lora, optimiser = recipe.what.lora, recipe.what.optimiser
    step = optimiser.batch_size * optimiser.accumulation
    total = round(optimiser.epochs * len(data.train))
    steps = optimiser.max_steps or max(1, math.ceil(total / step))
    total = steps * step if optimiser.max_steps else max(1, total)
    lengths = [len(example.tokens) for example in data.train]
    wanted = order(lengths, batch=optimiser.batch_size, total=total, seed=recipe.what.seed)
    dataset = Dataset.from_dict(
        {
            "input_ids": [list(example.tokens) for example in data.train],
            "labels": [example.labels for example in data.train],
        }
    ).select(wanted)
    config = SFTConfig(
        output_dir=str(Path(tempfile.gettempdir()) / "spillover-unused"),  # nothing is saved there
        max_steps=steps,
        per_device_train_batch_size=optimiser.batch_size,
        gradient_accumulation_steps=optimiser.accumulation,
        learning_rate=optimiser.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=optimiser.warmup_steps,
        weight_decay=optimiser.weight_decay,
        seed=recipe.what.seed,
        bf16=optimiser.dtype == "bfloat16",
        gradient_checkpointing=model.num_parameters() >= _LARGE,
        train_sampling_strategy="sequential",  # the order is made above
        dataset_kwargs={"skip_prepare_dataset": True},  # the rows are tokens with labels
        max_length=None,
        packing=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=device.type == "cuda",
        logging_steps=max(1, steps // 25),
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        use_cpu=device.type == "cpu",
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
        callbacks=callbacks,
        peft_config=LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]  (a float will do)
            lora_dropout=lora.dropout,
            use_rslora=lora.rslora,
            target_modules="all-linear" if "all-linear" in lora.modules else list(lora.modules),
            task_type="CAUSAL_LM",
        ),
    )
    trainer.remove_callback(PrinterCallback)
    _adapter_in_float32(trainer.model)
    return trainer, sum(lengths[index] for index in wanted)


def _adapter_in_float32(model: Any) -> None:
    """Undo that the trainer makes the adapter of a 4-bit base bfloat16.

    There most steps of the usual size are less than half a place of a weight and would be lost.
    """
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


class _Watch(TrainerCallback):
    """Tells the progress, keeps the last loss, and stops a training that diverges."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.loss: float | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.progress is not None:
            self.progress("fine-tuning", state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        self.loss = float(loss)
        if not math.isfinite(self.loss):
            raise Diverged(state.global_step)


def _save(model: Any, folder: Path, recipe: Recipe) -> None:
    """Save the adapter with settings that do not change from run to run."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = recipe.where.base
        if isinstance(config.target_modules, set):
            config.target_modules = sorted(config.target_modules)  # a set's order is random
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # an empty model card
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes 0600; a fine-tune is to be shared


def _notes(recipe: Recipe, rows: Sequence[Row], data: _Data) -> tuple[str, ...]:
    notes: list[str] = []
    if data.dropped:
        notes.append(
            f"{data.dropped} of {len(rows)} rows were left out: longer than "
            f"{recipe.what.optimiser.max_length} tokens."
        )
    several = sum(sum(m.role == "assistant" for m in row.messages) > 1 for row in rows)
    if several:
        notes.append(
            f"{several} rows have several assistant turns: only the last was learnt, the others "
            "were given."
        )
    return tuple(notes)
