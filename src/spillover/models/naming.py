"""Name and hash a local model: a folder, a GGUF file, or a model in the Hugging Face cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from spillover.errors import ConfigError, MissingFileError, ModelError
from spillover.models import content
from spillover.models.adapters import adapter_folder
from spillover.records import Dtype, LocalWhat, Quantize, TargetSpec, TargetWhere, TemplateArgs

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")

# What says how a template is used, or what it writes; a template reads other names.
_NOT_FOR_TEMPLATES = (
    "self", "conversation", "messages", "tools", "documents", "chat_template",
    "add_generation_prompt", "continue_final_message", "tokenize", "padding", "truncation",
    "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask",
    "tokenizer_kwargs",
)  # fmt: skip


class How(NamedTuple):
    """How a model is to be loaded; the arguments of `describe_target`."""

    name: str
    adapter: str | None
    dtype: Dtype | None
    system: str | None
    device: str
    quantize: Quantize | None
    trust_remote_code: bool
    chat_template: str | None
    template_args: TemplateArgs | None


def describe_gguf(path: Path, how: How) -> TargetSpec:
    """Return the spec of a GGUF file.

    Raises:
        MissingFileError: there is no such file.
        ModelError: it is no GGUF file, or it is to be quantised.
    """
    if not path.is_file():
        raise MissingFileError(f"no GGUF file {path}: check the path")
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{path} is not a GGUF file")
    return _spec(
        path,
        how,
        model=content.digest_file(path),
        adapter=_adapter_digest(how.adapter),
        usual=content.default_dtype([path]),
    )


def describe_folder(path: Path, how: How) -> TargetSpec:
    """Return the spec of a folder with a Hugging Face causal model.

    Raises:
        MissingFileError: no weights or no settings in it.
        UnsafeFileError: only pickle weights.
        ModelError: no chat template, broken settings, or it can't be loaded as ``how`` says.
    """
    weights = content.weight_files(path)
    if weights[0].suffix == ".gguf":
        return describe_gguf(weights[0], how)
    content.read_json(path / "config.json")
    borrowed = False
    if not content.has_chat_template(path):
        borrowed = how.adapter is not None and content.has_chat_template(
            adapter_folder(how.adapter)
        )
        if not borrowed and how.chat_template is None:
            raise ModelError(
                f"{path} has no chat template, and questions are asked as conversations: "
                "put a chat_template.jinja there, or take the instruction-tuned model"
            )
    return _spec(
        path,
        how,
        model=content.digest_model(path),
        adapter=_adapter_digest(how.adapter, tokenizer=borrowed),
        usual=content.default_dtype(weights, path / "config.json"),
        code=content.digest_code(path) if how.trust_remote_code else None,
    )


def _spec(
    path: Path, how: How, *, model: str, adapter: str | None, usual: Dtype, code: str | None = None
) -> TargetSpec:
    if how.quantize is not None:
        content.check_quantizable(path)
        usual = "bfloat16"
        if how.dtype not in (None, usual):
            raise ConfigError(f"{how.quantize} computes in {usual}: leave out dtype {how.dtype}")
    template = None if how.chat_template is None else Path(how.chat_template).expanduser()
    if template is not None:
        content.read_template(template)  # for its plain errors
    return TargetSpec(
        name=how.name,
        what=LocalWhat(
            model=model,
            adapter=adapter,
            dtype=how.dtype or usual,
            system=how.system,
            quantize=how.quantize,
            code=code,
            template=None if template is None else content.digest_file(template),
            template_args=_checked(how.template_args),
        ),
        where=TargetWhere(
            model=str(path),
            adapter=how.adapter,
            device=how.device,
            template=None if template is None else str(template),
        ),
    )


def _checked(args: TemplateArgs | None) -> TemplateArgs | None:
    for name in args or ():
        if not name.isidentifier() or name in _NOT_FOR_TEMPLATES:
            raise ConfigError(
                f"{name!r} is nothing that a chat template can be told: give one of the names that it"
                " reads, such as enable_thinking"
            )
    return args or None


def _adapter_digest(adapter: str | None, *, tokenizer: bool = False) -> str | None:
    if adapter is None:
        return None
    return content.digest_adapter(adapter_folder(adapter), tokenizer=tokenizer)


def from_cache(text: str) -> Path:
    """Return the folder of a model in the Hugging Face cache; nothing is downloaded."""
    if _HUB_NAME.fullmatch(text) and not text.startswith("."):
        try:
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
        except ImportError:
            raise MissingFileError(f"no model folder {text}: check the path") from None
        try:
            return Path(snapshot_download(text, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError, OSError):
            raise MissingFileError(
                f"no model folder {text}, and no model of that name in the Hugging Face cache: "
                f"check the path, or fetch it with `hf download {text}`"
            ) from None
    raise MissingFileError(f"no model folder {text}: check the path")
