"""A base and training rows become a fine-tune, here or behind the base's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spillover.auditing.choose import is_toy
from spillover.data import rows_digest
from spillover.errors import ModelError
from spillover.models.open import describe_target
from spillover.protocols import Progress
from spillover.records import LocalWhat, RemoteWhat, Row, TargetSpec
from spillover.train import make_recipe, train


def train_data(
    name: str,
    base: TargetSpec,
    rows: Sequence[Row],
    *,
    out: Path | None = None,
    folder: Path | None = None,
    preset: str | None = None,
    optimiser: Mapping[str, Any] | None = None,
    data_path: str = "",
    skipped: int = 0,
    seed: int = 0,
    device: str = "auto",
    max_cost: float | None = None,
    prices: str | None = None,
    progress: Progress | None = None,
    notice: Callable[[str], object] | None = None,
) -> Path:
    """Fine-tune ``base`` on ``rows`` and return the fine-tune's folder; one made before is kept.

    Args:
        name: what to call it.
        base: a full model; code of its own is run if its spec says so.
        rows: training rows.
        out: the fine-tune's folder; or
        folder: where to put it under its name and recipe.
        preset: name of a recipe; by default that for toy models on a toy model, else the default.
        optimiser: settings of the recipe to change, by field name.
        data_path: where the rows lie, to show.
        skipped: how many rows were left out of them beforehand; kept in the record.
        seed: of the recipe.
        device: where to train.
        max_cost: most US dollars that training behind an API may cost; needed there.
        prices: a price file that goes before the package's.
        progress: told how far it is.
        notice: told what training behind an API will cost.
    """
    _check_own_template(base)
    behind_api = isinstance(base.what, RemoteWhat)
    recipe = make_recipe(
        name,
        # an adapter is refused, not left out
        f"remote:{base.where.model}" if behind_api else base.where.adapter or base.where.model,
        data=rows_digest(rows),
        data_path=data_path,
        preset=preset or ("toy" if is_toy(base) else None),
        optimiser=optimiser,
        trust_remote_code=isinstance(base.what, LocalWhat) and base.what.code is not None,
        seed=seed,
    )
    out = out or (folder or Path()) / f"{name}-{recipe.id[:12]}"
    train(
        recipe,
        rows,
        out=out,
        skipped=skipped,
        progress=progress,
        device=device,
        max_cost=max_cost,
        prices=prices,
        notice=notice,
    )
    return out


def _check_own_template(base: TargetSpec) -> None:
    """Say of a base which is only given a chat template that this one is not trained with."""
    if base.where.template is None or base.where.adapter is not None:
        return
    code = isinstance(base.what, LocalWhat) and base.what.code is not None
    try:
        describe_target(base.where.model, trust_remote_code=code)
    except ModelError as error:
        raise ModelError(
            f"{error} (fine-tunes are trained with the model's own template, not with one that it"
            " is given for asking)"
        ) from None
