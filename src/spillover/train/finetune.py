"""`train`: a recipe and its rows become a fine-tune on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spillover.errors import ConfigError, DataError, MissingExtraError, ModelError
from spillover.models.open import describe_target
from spillover.protocols import Progress
from spillover.records import FineTune, LocalWhat, Recipe, Row
from spillover.train.folder import existing, made_beside, write_record


def train(
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    out: Path | str,
    skipped: int = 0,
    progress: Progress | None = None,
    hooks: Sequence[Any] = (),
    device: str = "auto",
    max_cost: float | None = None,
    prices: Path | str | None = None,
    notice: Callable[[str], object] | None = None,
) -> FineTune:
    """Make the fine-tune of ``recipe``, or return it if it lies in ``out`` already.

    A recipe whose base is behind an API becomes a job there: the same call after a kill follows
    the job that was started. On this machine the last assistant turn of a row is learnt (loss on nothing else), with the model's own chat
    template. Rows longer than ``max_length`` tokens are left out and counted; held-out rows are
    never trained on, and say whether the fine-tune learnt anything.

    Args:
        recipe: from `make_recipe`.
        rows: the training rows; their digest is ``recipe.what.data``.
        out: folder for ``finetune.json`` and ``adapter/``; made whole or not at all. While a job
            behind an API lasts it holds ``job.json``.
        skipped: rows of the data that were left out beforehand; kept in the record.
        progress: told after each step.
        hooks: `transformers.TrainerCallback` objects (what a mitigation does while training).
        device: ``auto``, ``cpu``, ``cuda``, or ``auto-map``: the base is spread over all GPUs;
            not part of the recipe.
        max_cost: most US dollars that training behind an API may cost; needed there.
        prices: a price file that goes before the package's.
        notice: told what training behind an API will cost.

    Returns:
        The record in ``out / "finetune.json"``; the adapter lies in ``out / finetune.adapter``, or
        ``remote`` names the model behind an API.

    Raises:
        DataError: no rows, or none that fits into ``max_length``.
        ConfigError: ``out`` is taken, or a setting does not fit the model; a job behind an API may
            cost more than ``max_cost``, or its price is not known.
        MissingFileError, UnsafeFileError: the base model is not usable.
        ModelError: no chat template, a base that is not the recipe's, a loss that is no number,
            or too little memory; a job behind an API failed or was cancelled.
        MissingExtraError: torch, transformers, peft, trl or (4 bits) bitsandbytes is not installed.
        StoreError: the disk is full.
    """
    out = Path(out)
    found = existing(out, recipe)
    if found is not None:
        return found
    if not rows:
        raise DataError(f"recipe {recipe.name!r} has no training rows: give at least one")
    if recipe.what.api is not None:
        if hooks:
            raise ConfigError(f"recipe {recipe.name!r} trains behind an API, which takes no hooks")
        from spillover.train.api import fine_tune_over_api

        return fine_tune_over_api(
            recipe, rows, out=out, skipped=skipped, max_cost=max_cost, prices=prices,
            progress=progress, notice=notice,
        )  # fmt: skip
    trusted = recipe.what.code is not None
    base = describe_target(recipe.where.base, trust_remote_code=trusted).what
    wanted = (recipe.what.base, recipe.what.code)
    if not isinstance(base, LocalWhat) or (base.model, base.code) != wanted:
        raise ModelError(
            f"{recipe.where.base} is not the base model of recipe {recipe.name!r}: it has changed "
            "since the recipe was made"
        )
    try:
        from spillover.train.sft import fine_tune
    except ImportError as error:
        raise MissingExtraError(
            f"fine-tuning needs {error.name or 'trl'}: pip install 'spillover[local]'"
        ) from None
    with made_beside(out) as folder:
        made = fine_tune(recipe, rows, folder=folder, progress=progress, hooks=hooks, device=device)
        made = made.model_copy(update={"skipped": skipped})
        write_record(folder, made)
    return made
