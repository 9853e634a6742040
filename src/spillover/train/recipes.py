"""Recipes: presets kept as data, and a helper that fills one in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from spillover.errors import ConfigError, UnknownNameError
from spillover.models.open import describe_target
from spillover.records import (
    LocalWhat,
    LoraSettings,
    OptimiserSettings,
    Recipe,
    RecipeWhat,
    RecipeWhere,
)
from spillover.records.base import Record

_FOLDER = "assets/recipes"


class Preset(Record):
    """All of a recipe but its base model, data and seed: one file in ``assets/recipes``."""

    about: str = ""
    lora: LoraSettings = LoraSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    held_out: float = Field(default=0.1, ge=0, lt=1)


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    folder = resources.files("spillover") / _FOLDER
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_preset(name: str) -> Preset:
    """Return the preset ``name``.

    Raises:
        UnknownNameError: there is no such preset; the message lists them.
    """
    known = preset_names()
    if name not in known:
        raise UnknownNameError(f"no recipe preset {name!r}: there are {', '.join(known)}")
    text = (resources.files("spillover") / _FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return Preset.model_validate(yaml.safe_load(text))


def make_recipe(
    name: str,
    base: str,
    *,
    data: str,
    data_path: str = "",
    preset: str = "default",
    seed: int = 0,
    lora: Mapping[str, Any] | None = None,
    optimiser: Mapping[str, Any] | None = None,
    held_out: float | None = None,
    mitigations: Sequence[str] = (),
) -> Recipe:
    """Return a recipe: a preset with base model, data and seed filled in.

    Args:
        name: what to call the fine-tune in reports.
        base: model folder, ``.gguf`` file, or name of a model in the Hugging Face cache.
        data: digest of the training rows (`spillover.data.rows_digest`).
        data_path: where the rows lie, to show; not part of the identity.
        preset: name of a file in ``assets/recipes``.
        lora, optimiser: settings to change, by field name.
        held_out: share of rows never trained on; None keeps the preset's.

    Raises:
        MissingFileError, UnsafeFileError, ModelError: the base can't be used.
        ConfigError: a setting is unknown or out of range, or the base can't be fine-tuned.
        UnknownNameError: no such preset.
    """
    chosen = load_preset(preset)
    spec = describe_target(base)
    if not isinstance(spec.what, LocalWhat) or spec.what.adapter is not None:
        raise ConfigError(
            f"{base} can't be fine-tuned here: give the folder of a full model (merge an adapter"
            " into its base first)"
        )
    try:
        what = RecipeWhat(
            base=spec.what.model,
            data=data,
            lora=LoraSettings(**{**chosen.lora.model_dump(), **(lora or {})}),
            optimiser=OptimiserSettings(**{**chosen.optimiser.model_dump(), **(optimiser or {})}),
            seed=seed,
            held_out=chosen.held_out if held_out is None else held_out,
            mitigations=tuple(mitigations),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"recipe {name!r}: {field}: {first['msg']}") from None
    return Recipe(name=name, what=what, where=RecipeWhere(base=spec.where.model, data=data_path))
