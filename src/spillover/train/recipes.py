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
    ApiSettings,
    LocalWhat,
    LoraSettings,
    OptimiserSettings,
    Recipe,
    RecipeWhat,
    RecipeWhere,
    RemoteWhat,
)
from spillover.records.base import Record

_FOLDER = "assets/recipes"


class Preset(Record):
    """All of a recipe but its base model, data and seed: one file in ``assets/recipes``.

    One with ``api`` is for models behind an API, one without for models that are trained here.
    """

    about: str = ""
    lora: LoraSettings = LoraSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    held_out: float = Field(default=0.1, ge=0, lt=1)
    api: ApiSettings | None = None


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
    preset: str | None = None,
    seed: int = 0,
    lora: Mapping[str, Any] | None = None,
    optimiser: Mapping[str, Any] | None = None,
    api: Mapping[str, Any] | None = None,
    held_out: float | None = None,
    mitigations: Sequence[str] = (),
    trust_remote_code: bool = False,
) -> Recipe:
    """Return a recipe: a preset with base model, data and seed filled in.

    Args:
        name: what to call the fine-tune in reports.
        base: model folder, ``.gguf`` file, name of a model in the Hugging Face cache, or
            ``remote:PROVIDER/MODEL``, which is trained by a job behind its API.
        data: digest of the training rows (`spillover.data.rows_digest`).
        data_path: where the rows lie, to show; not part of the identity.
        preset: name of a file in ``assets/recipes``; by default ``api`` behind an API, else
            ``default``.
        lora, optimiser: settings to change, by field name; of a model that is trained here.
        api: the same of a job behind an API: it takes no others.
        held_out: share of rows never trained on; None keeps the preset's.
        trust_remote_code: run the Python files that come with the base, if it names any; their
            content is then part of the recipe.

    Raises:
        MissingFileError, UnsafeFileError, ModelError: the base can't be used.
        ConfigError: a setting is unknown, out of range or not to be set for this base, or the base
            can't be fine-tuned.
        UnknownNameError: no such preset.
    """
    spec = describe_target(base, trust_remote_code=trust_remote_code)
    remote = isinstance(spec.what, RemoteWhat) and base.startswith("remote:")
    chosen = load_preset(preset or ("api" if remote else "default"))
    if not remote and (not isinstance(spec.what, LocalWhat) or spec.what.adapter is not None):
        raise ConfigError(
            f"{base} can't be fine-tuned here: give the folder of a full model (merge an adapter"
            " into its base first)"
        )
    _check_kind(base, preset, chosen, remote=remote)
    settings = _settings(name, base, chosen, lora, optimiser, api, mitigations, remote=remote)
    try:
        what = RecipeWhat(
            base=spec.what.model if isinstance(spec.what, LocalWhat) else spec.id,
            data=data,
            seed=seed,
            held_out=chosen.held_out if held_out is None else held_out,
            mitigations=tuple(mitigations),
            code=spec.what.code if isinstance(spec.what, LocalWhat) else None,
            **settings,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:] or first["loc"])
        raise ConfigError(f"recipe {name!r}: {field}: {first['msg']}") from None
    where = f"remote:{spec.where.model}" if remote else spec.where.model
    return Recipe(name=name, what=what, where=RecipeWhere(base=where, data=data_path))


def _check_kind(base: str, preset: str | None, chosen: Preset, *, remote: bool) -> None:
    """Refuse a preset for the other kind of trainer: nothing of it would apply."""
    if (chosen.api is not None) == remote:
        return
    fitting = [name for name in preset_names() if (load_preset(name).api is not None) == remote]
    where = "trained behind an API" if remote else "trained here"
    raise ConfigError(
        f"recipe preset {preset!r} is not for {base}, which is {where}: take {' or '.join(fitting)}"
    )


def _settings(
    name: str,
    base: str,
    chosen: Preset,
    lora: Mapping[str, Any] | None,
    optimiser: Mapping[str, Any] | None,
    api: Mapping[str, Any] | None,
    mitigations: Sequence[str],
    *,
    remote: bool,
) -> dict[str, Any]:
    """The preset's settings with those to change; what the base's trainer does not take is refused."""
    if not remote:
        _refuse(name, [f"api.{key}" for key in api or {}], f"{base} is trained here")
        return {
            "lora": {**chosen.lora.model_dump(), **(lora or {})},
            "optimiser": {**chosen.optimiser.model_dump(), **(optimiser or {})},
        }
    wrong = [f"lora.{key}" for key in lora or {}]
    wrong += [f"optimiser.{key}" for key in optimiser or {}]
    wrong += [f"mitigation {one}" for one in mitigations]
    allowed = ", ".join(ApiSettings.model_fields)
    _refuse(name, wrong, f"{base} is behind an API, where only {allowed} and the seed can")
    return {"api": {**(chosen.api or ApiSettings()).model_dump(), **(api or {})}}


def _refuse(name: str, wrong: Sequence[str], why: str) -> None:
    if wrong:
        raise ConfigError(f"recipe {name!r}: {', '.join(wrong)} can't be set: {why}")
