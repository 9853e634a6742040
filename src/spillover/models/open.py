"""From what a user types to a target: `describe_target` names and hashes it, `open_target` loads it.

Importing this costs no torch; only `open_target` of a local model does.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from spillover.errors import (
    ConfigError,
    MissingExtraError,
    MissingFileError,
    ModelError,
    UnsafeFileError,
)
from spillover.files import read_text
from spillover.models import content
from spillover.models.adapters import adapter_folder, read_finetune
from spillover.models.budget import Budget
from spillover.models.naming import How, describe_folder, describe_gguf, from_cache
from spillover.protocols import Target
from spillover.records import (
    Dtype,
    LocalWhat,
    Quantize,
    RemoteWhat,
    ScriptedWhat,
    TargetSpec,
    TemplateArgs,
)


def describe_target(
    text: str,
    *,
    adapter: str | None = None,
    name: str | None = None,
    dtype: Dtype | None = None,
    system: str | None = None,
    device: str = "auto",
    quantize: Quantize | None = None,
    trust_remote_code: bool = False,
    chat_template: str | None = None,
    template_args: TemplateArgs | None = None,
) -> TargetSpec:
    """Return the spec of what ``text`` names, hashed by content; nothing is loaded.

    Args:
        text: a folder with a Hugging Face causal model; a folder with a fine-tune
            (``finetune.json``) or a PEFT adapter (``adapter_config.json``), whose base is looked
            up, or with the record of a fine-tune behind an API; a GGUF file; the name of a model in the Hugging Face cache; ``script:FILE``; or
            ``remote:PROVIDER/MODEL``, a model behind an API as Inspect AI names it.
        adapter: a PEFT adapter or fine-tune folder to put on the model ``text``.
        name: what to call it in reports; by default the last part of ``text``.
        dtype: number type to run in; by default float32 up to 2 GiB of weights, else the
            checkpoint's own.
        system: a system prompt that goes before every question which has none of its own.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, ``cuda:1``, ..., or ``auto-map``: spread over
            all GPUs; not part of the identity.
        quantize: ``4bit`` rounds the linear layers while they are loaded (NF4, double
            quantisation, computed in bfloat16); needs bitsandbytes and a CUDA GPU.
        trust_remote_code: run the Python files that come with the model, if it names any; their
            content is then part of the identity. Without it they are never run.
        chat_template: a file with a Jinja chat template in place of a local model's own.
        template_args: what a local model's chat template is told by name, such as
            ``{"enable_thinking": False}``.

    Raises:
        MissingFileError: there is no such folder, file or model, or it has no weights.
        UnsafeFileError: only pickle weights, which are refused.
        ModelError: no chat template, an adapter whose base can't be found, a model that can't be
            quantised, or code that lies elsewhere.
        ConfigError: a ``dtype`` in which ``quantize`` does not compute, or a chat template for what
            is no local model.
    """
    if text.startswith(("script:", "remote:")):
        _no_template(text, chat_template, template_args)
    if text.startswith("script:"):
        return _describe_script(text, adapter=adapter, name=name, system=system)
    if text.startswith("remote:"):
        if adapter is not None:
            raise ConfigError(f"{text} is behind an API: it takes no adapter")
        from spillover.models.remote import describe_remote

        return describe_remote(text.removeprefix("remote:"), name=name, system=system)
    path = Path(text).expanduser()
    if path.suffix in content.PICKLES:
        raise UnsafeFileError(
            f"{path} is a pickle file, which can run code when loaded: convert it to safetensors"
        )
    how = How(
        name=name or path.resolve().name or text,
        adapter=adapter,
        dtype=dtype,
        system=system,
        device=device,
        quantize=quantize,
        trust_remote_code=trust_remote_code,
        chat_template=chat_template,
        template_args=template_args,
    )
    if path.suffix == ".gguf":
        return describe_gguf(path, how)
    if not path.exists():
        path = from_cache(text)
    elif path.is_file():
        raise ModelError(f"{path} is not a model: give its folder, or a .gguf file")
    if (path / "finetune.json").is_file() or (path / "adapter_config.json").is_file():
        return _describe_tuned(path, how)
    return describe_folder(path, how)


def open_target(
    spec: TargetSpec,
    *,
    logprobs: bool = False,
    max_calls: int | None = None,
    budget: Budget | None = None,
    connections: int = 10,
) -> Target:
    """Load what ``spec`` names and return something that answers.

    Args:
        spec: from `describe_target`.
        logprobs: whether answers of models carry the log-probability of each token.
        max_calls: the most calls to an API; a remote model needs it, or a
        budget: which it may share with others.
        connections: calls to an API at a time.

    Raises:
        ConfigError: a remote model without ``max_calls`` or ``budget``.
        ModelError: it can't be loaded, or its content is no longer what ``spec`` was made of.
        MissingExtraError: torch, transformers or peft is not installed.
    """
    if isinstance(spec.what, ScriptedWhat):
        from spillover.models.scripted import ScriptedTarget

        return ScriptedTarget(spec)
    if isinstance(spec.what, RemoteWhat):
        if max_calls is None and budget is None:
            raise ConfigError(
                f"{spec.name!r} is a remote model, whose calls can cost money: "
                "say how many it may be asked, open_target(spec, max_calls=...)"
            )
        from spillover.models.remote import RemoteTarget

        return RemoteTarget(
            spec,
            budget=budget or Budget(max_calls=max_calls),
            connections=connections,
            logprobs=logprobs,
        )
    try:
        from spillover.models.local import LocalTarget
    except ImportError as error:
        raise _no_torch(error) from None
    now = describe_target(
        spec.where.model,
        adapter=spec.where.adapter,
        name=spec.name,
        dtype=spec.what.dtype,
        system=spec.what.system,
        quantize=spec.what.quantize,
        trust_remote_code=spec.what.code is not None,
        chat_template=spec.where.template,
        template_args=spec.what.template_args,
    )
    if now.id != spec.id:
        raise ModelError(f"{spec.where.model} has changed since target {spec.name!r} was described")
    return LocalTarget.load(spec, logprobs=logprobs)


def check_asking(spec: TargetSpec) -> None:
    """Refuse a local model whose chat template can't be used as it is told; no weights are read.

    Only a template that is given, or told something, is looked at.

    Raises:
        ModelError: it can't write a conversation, or does not read what it is told.
        MissingExtraError: torch or transformers is not installed.
    """
    if not isinstance(spec.what, LocalWhat):
        return
    if spec.where.template is None and not spec.what.template_args:
        return
    try:
        from spillover.models.load import told_tokenizer
    except ImportError as error:
        raise _no_torch(error) from None
    try:
        told_tokenizer(spec)
    except ModelError as error:
        raise ModelError(f"can't ask {spec.name!r}: {error}") from None


def _no_torch(error: ImportError) -> MissingExtraError:
    needs = error.name or "torch"
    return MissingExtraError(f"a local model needs {needs}: pip install 'spillover[local]'")


def _describe_script(
    text: str, *, adapter: str | None, name: str | None, system: str | None
) -> TargetSpec:
    if adapter is not None:
        raise ConfigError(f"{text} is a script: it takes no adapter")
    from spillover.models.scripted import describe_script

    path = Path(text.removeprefix("script:")).expanduser()
    read_text(path)  # for its plain errors
    return describe_script(path, name, system=system)


def _no_template(text: str, chat_template: str | None, template_args: TemplateArgs | None) -> None:
    """Refuse a chat template for what has none, or its own behind an API."""
    for option, value in (("chat template", chat_template), ("template arguments", template_args)):
        if value:
            what = "a script" if text.startswith("script:") else "behind an API"
            raise ConfigError(
                f"{text} is {what}: it takes no {option}; only local models do, leave it out"
            )


def _describe_tuned(path: Path, how: How) -> TargetSpec:
    """The spec of a fine-tune or adapter folder; its base is looked up."""
    if how.adapter is not None:
        raise ModelError(f"{path} is itself an adapter: it can't carry the adapter {how.adapter}")
    if (remote := _behind_api(path, name=how.name, system=how.system)) is not None:
        _no_template(str(path), how.chat_template, how.template_args)
        return remote
    base, adapter, model = _parts(path)
    if how.chat_template is not None:
        content.read_template(Path(how.chat_template).expanduser())  # its faults are not the base's
    try:
        spec = describe_target(base, **how._replace(adapter=adapter)._asdict())
    except MissingFileError as error:
        raise MissingFileError(f"the base model of {path}: {error}") from None
    if model is not None and isinstance(spec.what, LocalWhat) and spec.what.model != model:
        raise ModelError(f"{base} is not the base model that {path} was made from: it has changed")
    return spec


def _behind_api(path: Path, *, name: str, system: str | None) -> TargetSpec | None:
    """The target that a fine-tune folder means, if its model lies behind an API."""
    made = read_finetune(path).remote if (path / "finetune.json").is_file() else None
    if made is None:
        return None
    from spillover.models.remote import describe_remote

    spec = describe_remote(made.model, name=name, system=system)
    where = spec.where.model_copy(update={"finetune": str(path)})
    return spec.model_copy(update={"where": where})


class _Parts(NamedTuple):
    """What a fine-tune is made of; ``model`` is the digest of its base, if known."""

    base: str
    adapter: str
    model: str | None


def _parts(path: Path) -> _Parts:
    """Read a fine-tune folder or a PEFT adapter folder."""
    if (path / "finetune.json").is_file():
        recipe = read_finetune(path).recipe
        return _Parts(recipe.where.base, str(adapter_folder(str(path))), recipe.what.base)
    base = content.read_json(path / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise ModelError(f"{path} does not name its base model: give the base and the adapter")
    return _Parts(str(base), str(path), None)
