"""Loading a model, its tokenizer and its adapter; every way in which that fails is one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from spillover.errors import ModelError, SpilloverError, first_line
from spillover.models import content
from spillover.models.adapters import adapter_folder
from spillover.models.chat import Chat
from spillover.models.placement import check_placed, pick_device, placing
from spillover.records import Dtype, LocalWhat, Message, Quantize, TargetSpec, TemplateArgs

_MERGE_TOLERANCE = 1e-3  # largest difference of a logit, relative to the largest logit


class Loaded(NamedTuple):
    """A model in evaluation mode on its device, and its tokenizer."""

    model: Any
    tokenizer: Any


def load(spec: TargetSpec) -> Loaded:
    """Load model, tokenizer and adapter of a local target.

    A float32 adapter is merged into the weights after a check that this changes no logit; in
    half precision or 4 bits it stays apart, since rounding the sum could swallow a small one.

    Raises:
        ModelError: the files do not make a whole model, or adapter and model do not fit.
        MissingExtraError: what its place or its bits need is not installed.
    """
    what, where = spec.what, spec.where
    if not isinstance(what, LocalWhat):
        raise ModelError(f"target {spec.name!r} is not a local model")
    tokenizer = told_tokenizer(spec)  # first: its faults are known before the weights are read
    with _plainly(where.model):
        model = load_model(
            where.model,
            dtype=what.dtype,
            device=where.device,
            quantize=what.quantize,
            trust_remote_code=what.code is not None,
        ).eval()
        if where.adapter is not None:
            model = put_adapter(model, adapter_folder(where.adapter))
    return Loaded(model.requires_grad_(False), tokenizer)


def told_tokenizer(spec: TargetSpec) -> Any:
    """Load a local target's tokenizer, with the chat template that it is given.

    Raises:
        ModelError: it can't be loaded, or a template that is given or told something can't write
            a conversation or does not read what it is told.
    """
    what, where = spec.what, spec.where
    if not isinstance(what, LocalWhat):
        raise ModelError(f"target {spec.name!r} is not a local model")
    with _plainly(where.model):
        tokenizer = load_tokenizer(
            where.model, adapter=where.adapter, trust_remote_code=what.code is not None
        )
        if where.template is not None:
            tokenizer.chat_template = content.read_template(Path(where.template))
        if where.template is not None or what.template_args:
            _check_template(tokenizer, what.template_args)
    return tokenizer


def load_model(
    text: str,
    *,
    dtype: Dtype = "float32",
    device: str = "cpu",
    quantize: Quantize | None = None,
    trust_remote_code: bool = False,
) -> Any:
    """Load the model in the folder, GGUF file or cached hub model ``text``.

    Args:
        text: where it lies.
        dtype: number type of its weights; in 4 bits of those that are not in linear layers.
        device: as in `TargetWhere`.
        quantize: the bits of its linear layers.
        trust_remote_code: run the Python files beside the weights.

    Raises:
        ModelError: weights are missing from its files, it needs code of its own that is not
            trusted, or ``device`` is not here or too small.
        MissingExtraError: accelerate or bitsandbytes is needed, and not installed.
    """
    if quantize is not None:
        content.check_quantizable(Path(text).expanduser())
    place = placing(device, quantize=quantize)
    to = None if place else pick_device(device)  # before the weights, which take a while
    folder, more = _place(text)
    with _own_code(text, trusted=trust_remote_code):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True if not more else None,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **more,
            **place,
        )
    model, info = loaded
    if more:
        # Its weights are plain tensors now; with this left, saving or tuning it would fail.
        for holder, name in ((model.config, "quantization_config"), (model, "hf_quantizer")):
            if hasattr(holder, name):
                delattr(holder, name)
        model.is_quantized = False
    absent = sorted(info.get("missing_keys") or ())
    if absent:
        raise ModelError(
            f"{text} lacks {len(absent)} weights, which would be random: {absent[0]}, ..."
        )
    check_placed(text, model)
    return model if to is None else model.to(to)


def load_tokenizer(
    text: str, *, adapter: str | None = None, trust_remote_code: bool = False
) -> Any:
    """Load the tokenizer of ``text``, or the adapter's where only that has a chat template."""
    folder, more = _place(text)
    if not more and adapter is not None and not content.has_chat_template(folder):
        # The code beside an adapter is in nobody's identity, and never run.
        folder, trust_remote_code = adapter_folder(adapter), False
    with _own_code(str(folder), trusted=trust_remote_code):
        return AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True, **more
        )


def _check_template(tokenizer: Any, told: TemplateArgs | None) -> None:
    """Refuse a chat template that can't write a conversation, or does not read what it is told."""
    asked = "is it half past seven"
    text = Chat(tokenizer, told=told).text([Message(role="user", content=asked)])
    if asked not in text.casefold():
        raise ModelError(
            "the chat template leaves out what the user says, so that no question would reach the"
            " model: it has to write the content of `messages`"
        )


@contextmanager
def _own_code(text: str, *, trusted: bool) -> Iterator[None]:
    """Say in our words that a model can't be loaded without code of its own."""
    try:
        yield
    except ValueError as error:
        if trusted or "trust_remote_code" not in str(error):
            raise
        names = ", ".join(content.own_code(Path(text).expanduser()))
        raise ModelError(
            f"{text} needs Python code of its own ({names}), which is not run unless you say so:"
            " read it, then give --trust-remote-code (trust_remote_code=True)"
        ) from None


def put_adapter(model: Any, folder: Path) -> Any:
    """Return ``model`` with the adapter on it, merged where that changes nothing.

    Raises:
        ModelError: peft is missing, or the adapter does not fit the model.
    """
    try:
        from peft import PeftModel
    except ImportError:
        raise ModelError("an adapter needs peft: pip install 'spillover[local]'") from None
    content.weight_files(folder, adapter=True)  # refuses pickles
    try:
        tuned = PeftModel.from_pretrained(model, str(folder)).eval()
    except Exception as error:
        raise ModelError(f"adapter {folder} does not fit the model: {first_line(error)}") from error
    if model.dtype != torch.float32 or getattr(model, "is_quantized", False):
        return tuned.base_model.model
    before = _probe(tuned)
    merged: Any = tuned.merge_and_unload()
    after = _probe(merged)
    worst = float((before - after).abs().max() / before.abs().max().clamp(min=1e-6))
    if not worst <= _MERGE_TOLERANCE:
        raise ModelError(
            f"adapter {folder} changes the logits by {worst:.1e} when it is merged "
            f"(allowed: {_MERGE_TOLERANCE:g}): it can't be merged faithfully"
        )
    return merged


@torch.inference_mode()
def _probe(model: Any) -> torch.Tensor:
    """Return logits of a few fixed tokens, to see whether a change changed anything."""
    size = model.get_input_embeddings().weight.shape[0]
    tokens = (torch.arange(16, device=model.device) * 7919 % size)[None]
    return model(input_ids=tokens).logits.clone()


def _place(text: str) -> tuple[Path, dict[str, str]]:
    """Return the folder to load from, and ``gguf_file`` where it is one."""
    path = Path(text).expanduser()
    if path.suffix == ".gguf":
        return path.parent, {"gguf_file": path.name}
    return path, {}


@contextmanager
def _plainly(text: str) -> Iterator[None]:
    """Let the loaders say nothing, and what they raise be one line."""
    with _quiet():
        try:
            yield
        except SpilloverError:
            raise
        except Exception as error:  # loaders raise whatever they like
            raise ModelError(f"can't load {text}: {first_line(error)}") from error


@contextmanager
def _quiet() -> Any:
    """Keep progress bars and warnings of the loaders away from the user's terminal."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
