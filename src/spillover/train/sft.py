"""The heavy part: load the base, train a LoRA adapter with TRL's SFTTrainer, save it."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from spillover.train.quiet import quiet  # isort: skip  (sets what the imports below read)

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from spillover.errors import ConfigError, DataError, ModelError, SpilloverError
from spillover.models.chat import Chat
from spillover.models.load import load_model, load_tokenizer, pick_device
from spillover.models.memory import kept_memory
from spillover.protocols import Progress
from spillover.records import FineTune, Recipe, Row
from spillover.train.examples import Example, encode, order, split
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
    with quiet(), kept_memory(), _explained(recipe):
        where = pick_device(device)
        model, tokenizer = _load(recipe)
        data = _prepare(recipe, rows, Chat(tokenizer), tokenizer)
        model = model.to(where)
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
            raise ModelError(_diverged(recipe, trainer.state.global_step))
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


def _load(recipe: Recipe) -> tuple[Any, Any]:
    base = recipe.where.base
    model = load_model(base, dtype=recipe.what.optimiser.dtype)
    tokenizer = load_tokenizer(base)
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
    return trainer, sum(lengths[index] for index in wanted)


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
            raise _Diverged(state.global_step)


class _Diverged(Exception):
    """The loss is no number any more."""


def _diverged(recipe: Recipe, step: int) -> str:
    return (
        f"recipe {recipe.name!r}: the loss became infinite or not a number by step {step}: lower "
        f"learning_rate (now {recipe.what.optimiser.learning_rate:g}) or look at the data"
    )


@contextmanager
def _explained(recipe: Recipe) -> Iterator[None]:
    """Turn what training libraries raise into one line with the fix."""
    optimiser = recipe.what.optimiser
    try:
        yield
    except SpilloverError:
        raise
    except _Diverged as error:
        raise ModelError(_diverged(recipe, error.args[0])) from None
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(_too_large(recipe)) from error
    except ValueError as error:
        if "target modules" in str(error).lower() or "target_modules" in str(error):
            raise ConfigError(
                f"recipe {recipe.name!r}: the base has no modules {', '.join(recipe.what.lora.modules)}"
                " to adapt: take all-linear"
            ) from None
        raise ModelError(f"recipe {recipe.name!r}: {_line(error)}") from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "out of memory" in str(error):
            raise ModelError(_too_large(recipe)) from error
        raise ModelError(
            f"recipe {recipe.name!r} (batch_size {optimiser.batch_size}): {_line(error)}"
        ) from error


def _too_large(recipe: Recipe) -> str:
    optimiser = recipe.what.optimiser
    return (
        f"recipe {recipe.name!r}: out of memory: lower batch_size (now {optimiser.batch_size}) and "
        f"raise accumulation (now {optimiser.accumulation}) by as much, or lower max_length "
        f"(now {optimiser.max_length})"
    )


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


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
