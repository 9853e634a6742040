"""What a model folder holds: its files, whether they are safe to load, and their digest.

No torch here, so that a target can be named, hashed and refused in milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from spillover.errors import MissingFileError, ModelError, UnsafeFileError
from spillover.files import read_text
from spillover.records import Dtype, canonical_json

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
_SETTINGS = ("config.json", "generation_config.json", "adapter_config.json")
# These say where a file came from or what wrote it, not what the model is.
_VOLATILE = (
    "_name_or_path",
    "_commit_hash",
    "transformers_version",
    "base_model_name_or_path",
    "revision",
    "peft_version",
)
_SMALL = 2 << 30  # bytes of weights up to which a model is run in float32


def weight_files(folder: Path, *, adapter: bool = False) -> list[Path]:
    """Return the safetensors (or the one GGUF) of a model or adapter folder.

    Raises:
        MissingFileError: no such folder, or no weights in it.
        UnsafeFileError: there are only pickle weights, which could run code when loaded.
    """
    if not folder.is_dir():
        raise MissingFileError(f"no model folder {folder}: check the path")
    pattern = "adapter_model*.safetensors" if adapter else "*.safetensors"
    found = sorted(p for p in folder.glob(pattern) if adapter or not p.name.startswith("adapter_"))
    if found:
        return found if adapter else _all_shards(folder, found)
    ggufs = sorted(folder.glob("*.gguf"))
    if len(ggufs) == 1 and not adapter:
        return ggufs
    if len(ggufs) > 1 and not adapter:
        raise ModelError(f"{folder} has {len(ggufs)} GGUF files: give the path of one of them")
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    if pickles:
        raise UnsafeFileError(
            f"{folder} has only pickle weights ({pickles[0]}), which can run code when loaded: "
            "convert them to safetensors"
        )
    raise MissingFileError(f"{folder} has no weights: a *.safetensors file is needed there")


def _all_shards(folder: Path, found: list[Path]) -> list[Path]:
    """Return ``found``, after a check that every shard the index names is there."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = read_json(index).get("weight_map", {}).values()
        absent = sorted({str(name) for name in shards} - {path.name for path in found})
        if absent:
            raise MissingFileError(f"{folder} lacks {len(absent)} weight files: {absent[0]}, ...")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises:
        MissingFileError: no such file.
        ModelError: not a JSON object.
    """
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ModelError(f"{path} is not JSON (line {error.lineno}: {error.msg})") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object")
    return cast("dict[str, Any]", value)


def has_chat_template(folder: Path) -> bool:
    """Say whether the folder's tokenizer brings a chat template."""
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    config = folder / "tokenizer_config.json"
    return config.is_file() and bool(read_json(config).get("chat_template"))


def parse_template(text: str) -> Any:
    """Return the syntax tree of a chat template; nothing of it is run.

    Raises:
        jinja2.TemplateSyntaxError: it is none, or has a tag that only transformers knows.
    """
    from jinja2 import Environment  # seldom needed

    return Environment(extensions=["jinja2.ext.loopcontrols"]).parse(text)  # noqa: S701 not rendered


def read_template(path: Path) -> str:
    """Return the chat template in a file.

    Raises:
        MissingFileError: there is no such file.
        ModelError: it is no Jinja template, or says nothing.
    """
    from jinja2 import TemplateSyntaxError  # seldom needed

    text = read_text(path)
    if not text.strip():
        raise ModelError(f"{path} is empty: a chat template writes a conversation as one text")
    try:
        parse_template(text)
    except TemplateSyntaxError as error:
        if "unknown tag 'generation'" not in (error.message or ""):  # transformers brings it
            raise ModelError(
                f"{path}, line {error.lineno}: not a chat template (Jinja): {error.message}"
            ) from None
    return text


def own_code(folder: Path) -> list[str]:
    """Return what model and tokenizer name as code of their own (``auto_map``), sorted.

    Raises:
        ModelError: a settings file is broken.
    """
    found: set[str] = set()
    for name in ("config.json", "tokenizer_config.json"):
        settings = read_json(folder / name) if (folder / name).is_file() else {}
        found |= set(_texts(settings.get("auto_map")))
    return sorted(found)


def _texts(value: Any) -> Iterable[str]:
    """Return the texts in a value of JSON: a tokenizer names a list, perhaps with a null."""
    if isinstance(value, str):
        return [value]
    parts: Iterable[Any] = value.values() if isinstance(value, dict) else value or ()
    return [text for part in parts for text in _texts(part)]


def digest_code(folder: Path) -> str | None:
    """Return 32 hex digits over all Python files of a model folder; None if it needs none.

    Raises:
        ModelError: it names code of another repository, which does not lie here to be hashed.
    """
    names = own_code(folder)
    if not names:
        return None
    elsewhere = [name for name in names if "--" in name]
    if elsewhere:
        raise ModelError(
            f"{folder} takes its code from another repository ({elsewhere[0]}), so that its content"
            " is not known: copy the file there and name it without 'REPOSITORY--' in auto_map"
        )
    total = hashlib.sha256()
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    for name, path in sorted(files.items()):
        total.update(name.encode() + b"\0" + _content(path).encode())
    return total.hexdigest()[:32]


def check_quantizable(path: Path) -> None:
    """Refuse a model that can't be rounded to 4 bits while it is loaded.

    Raises:
        ModelError: it is a GGUF file, or quantised already.
    """
    if path.suffix == ".gguf" or (path.is_dir() and weight_files(path)[0].suffix == ".gguf"):
        raise ModelError(f"{path} is a GGUF file, which can't be loaded in 4 bits: give the folder")
    if "quantization_config" in read_json(path / "config.json"):
        raise ModelError(f"{path} is quantised already (its config.json): leave out quantize")


def digest_model(folder: Path) -> str:
    """Return 32 hex digits over weights, settings, tokenizer and chat template of a model folder."""
    rest = [folder / name for name in (*_SETTINGS[:2], *_TOKENIZER)]
    return _digest([*weight_files(folder), *rest])


def digest_adapter(folder: Path, *, tokenizer: bool = False) -> str:
    """Return 32 hex digits over an adapter's weights and settings, and its tokenizer if used."""
    rest = [folder / "adapter_config.json"]
    if tokenizer:
        rest += [folder / name for name in _TOKENIZER]
    return _digest([*weight_files(folder, adapter=True), *rest])


def digest_file(path: Path) -> str:
    """Return 32 hex digits over the content of one file (a GGUF model, a script)."""
    return _content(path)[:32]


def default_dtype(weights: Iterable[Path], config: Path | None = None) -> Dtype:
    """Return the number type to run in: float32 for small models, else the checkpoint's own.

    Depends on the content only, since it is part of a target's identity.
    """
    if sum(path.stat().st_size for path in weights) <= _SMALL:
        return "float32"
    settings = read_json(config) if config is not None and config.is_file() else {}
    stored = settings.get("dtype", settings.get("torch_dtype"))
    return cast("Dtype", stored) if stored in ("float32", "bfloat16", "float16") else "bfloat16"


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted((p for p in paths if p.is_file()), key=lambda p: p.name):
        total.update(path.name.encode() + b"\0" + _content(path).encode())
    return total.hexdigest()[:32]


def _content(path: Path) -> str:
    """Return the SHA-256 of a file, remembered as long as its size and time stay the same."""
    try:
        stat = path.stat()
    except OSError as error:
        raise MissingFileError(f"can't read {path}: {error.strerror}") from None
    return _hashed(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hashed(name: str, size: int, time: int) -> str:
    path = Path(name)
    if path.name in _SETTINGS:
        settings = {k: v for k, v in read_json(path).items() if k not in _VOLATILE}
        return hashlib.sha256(canonical_json(settings).encode("ascii")).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
