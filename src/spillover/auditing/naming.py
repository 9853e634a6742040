"""From the names that an audit is given to the specs of its models, loaded as its settings say."""

from __future__ import annotations

from pathlib import Path

from spillover.auditing.learnt import find_finetune
from spillover.data import names_rows
from spillover.errors import ConfigError
from spillover.models.open import check_asking, describe_target
from spillover.records import AuditConfig, LocalWhat, TargetSpec

_TOY = "toy:"


def data_apart(config: AuditConfig) -> AuditConfig:
    """Training rows given as the target are the data of a target that is still to be made.

    Raises:
        ConfigError: there are other data too.
    """
    if config.target is None or not means_rows(config.target):
        return config
    if config.data is not None:
        raise ConfigError(f"{config.target} and {config.data} are both training data: give one")
    return config.model_copy(update={"target": None, "data": config.target})


def means_rows(text: str) -> bool:
    """Say whether a name stands for training rows; a toy model goes before toy data of its name."""
    if not text.startswith(_TOY):
        return names_rows(text) and not text.startswith("script:") and not Path(text).is_dir()
    from spillover.toy import names_data

    return names_data(text.removeprefix(_TOY))


def model_path(text: str) -> str:
    """Return what `describe_target` understands: ``toy:NAME`` becomes the folder of that model."""
    if not text.startswith(_TOY):
        return text
    from spillover.toy import resolve_model

    return str(resolve_model(text.removeprefix(_TOY)))


def describe_named(config: AuditConfig, text: str, *, name: str | None = None) -> TargetSpec:
    """Return the spec of the model ``text``, to be loaded and asked as ``config`` says.

    Raises:
        SpilloverError: it can't be used, as `describe_target` and `check_asking`.
    """
    spec = describe_target(
        model_path(text),
        name=name,
        dtype=config.dtype,
        system=config.system,
        device=config.device,
        quantize=config.quantize,
        trust_remote_code=config.trust_remote_code,
        chat_template=config.chat_template,
        template_args=config.template_args,
    )
    check_asking(spec)  # now: training and asking others take long
    return spec


def describe_judge(config: AuditConfig, text: str) -> TargetSpec:
    """Return the spec of a judging model: loaded as ``config`` says, but asked in its own way.

    Raises:
        SpilloverError: it can't be used, as `describe_target`.
    """
    own = {"system": None, "chat_template": None, "template_args": {}}
    return describe_named(config.model_copy(update=own), text)


def base_and_target(config: AuditConfig) -> tuple[TargetSpec, TargetSpec | None]:
    """Return the base, and the target unless it is still to be trained.

    Raises:
        ConfigError: one of them can't be told from what was given.
    """
    target = None
    if config.target is not None:
        target = describe_named(config, config.target)
    elif config.data is None:
        raise ConfigError("nothing to audit: give a target, or training data (--data) and a base")
    if config.base is not None:
        base = describe_named(config, config.base, name="base")
        if config.quantize is not None and isinstance(base.what, LocalWhat):
            from spillover.models.placement import placing  # loads torch

            placing(config.device, quantize=config.quantize)  # now: training takes long
        return base, target
    if target is not None and target.where.adapter is not None:
        return describe_named(config, target.where.model, name="base"), target
    if target is not None and (made := find_finetune(target)) is not None:  # behind an API
        return describe_named(config, made.recipe.where.base, name="base"), target
    what = "training data needs a base model" if target is None else "a full model needs a base"
    raise ConfigError(f"{what} to be held against: give --base")
