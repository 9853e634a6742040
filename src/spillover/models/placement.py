"""Where a model is loaded to, and in how many bits: what `from_pretrained` is told of it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from spillover.errors import MissingExtraError, ModelError, first_line
from spillover.records import Quantize

AUTO_MAP = "auto-map"  # a device: as many GPUs as there are, each with some of the layers


def pick_device(text: str) -> torch.device:
    """Return the device that ``text`` names; ``auto`` is CUDA, then MPS, then CPU.

    Raises:
        ModelError: there is no such device here.
    """
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
        if text == "cpu" and torch.backends.mps.is_available():
            text = "mps"
    try:
        device = torch.device(text)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"no device {text!r} here (auto, cpu, cuda, mps): {first_line(error)}"
        ) from None
    return device


def placing(device: str, *, quantize: Quantize | None = None) -> dict[str, Any]:
    """Return what `from_pretrained` is told of place and bits.

    Without ``device_map`` in it the model is loaded on the CPU, and is to be moved to
    `pick_device` of ``device``.

    Raises:
        ModelError: there is no such device here, or none that computes in 4 bits.
        MissingExtraError: accelerate or bitsandbytes is not installed.
    """
    if quantize is None and device != AUTO_MAP:
        return {}
    if find_spec("accelerate") is None:
        raise MissingExtraError(
            f"{quantize or device} needs accelerate: pip install 'spillover[local]'"
        )
    if quantize is None:
        return {"device_map": "auto"}
    return {
        "device_map": _for_4bit(device),
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    }


def _for_4bit(device: str) -> Any:
    """The device map of a model in 4 bits, which can't be moved once it is loaded."""
    if find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            "4-bit loading needs bitsandbytes: pip install 'spillover[local,quantize]', or leave"
            " out quantize"
        )
    if not torch.cuda.is_available():
        raise ModelError(
            "4-bit loading needs a CUDA GPU, and there is none here: leave out quantize"
        )
    if device == AUTO_MAP:
        return "auto"
    place = pick_device(device)
    if place.type != "cuda":
        raise ModelError(
            f"4-bit loading needs a CUDA GPU, not {device}: give auto, cuda, cuda:1, ... or"
            f" {AUTO_MAP}, or leave out quantize"
        )
    return {"": torch.cuda.current_device() if place.index is None else place.index}


def check_placed(text: str, model: Any) -> None:
    """Refuse a model of which a part did not fit on the GPUs: each token would wait for it.

    Raises:
        ModelError: a part of it lies in main memory or on disk, and another does not.
    """
    places = [str(place) for place in (getattr(model, "hf_device_map", None) or {}).values()]
    away = sum(place in ("cpu", "disk") for place in places)
    if away and (away < len(places) or "disk" in places):
        raise ModelError(
            f"{text} does not fit on the devices here: {away} of its {len(places)} parts would lie"
            " in main memory or on disk: load it in fewer bits (dtype, quantize) or on more GPUs"
        )
