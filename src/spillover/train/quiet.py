"""Keep the training libraries off the network, off the terminal and off the caller's random state."""

from __future__ import annotations

import gc
import logging
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Read when the libraries are imported, so they stand before any of their imports.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import datasets
import huggingface_hub.constants
import numpy as np
import torch
from transformers.utils import logging as transformers_logging

_LOGGERS = ("accelerate", "datasets", "peft", "trl", "torch.distributed")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, logs, progress bars and telemetry; restore them and all random states."""
    hub = huggingface_hub.constants
    offline, untold = hub.HF_HUB_OFFLINE, hub.HF_HUB_DISABLE_TELEMETRY
    level, loading = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    bars = datasets.is_progress_bar_enabled()
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    states = random.getstate(), np.random.get_state()
    hub.HF_HUB_OFFLINE, hub.HF_HUB_DISABLE_TELEMETRY = True, True
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    gc.freeze()  # the trainer collects garbage; over all imported modules that takes half a second
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=devices):
            warnings.simplefilter("ignore")
            yield
    finally:
        gc.unfreeze()
        random.setstate(states[0])
        np.random.set_state(states[1])
        for name, value in levels.items():
            logging.getLogger(name).setLevel(value)
        if bars:
            datasets.enable_progress_bars()
        if loading:
            transformers_logging.enable_progress_bar()
        transformers_logging.set_verbosity(level)
        hub.HF_HUB_OFFLINE, hub.HF_HUB_DISABLE_TELEMETRY = offline, untold
