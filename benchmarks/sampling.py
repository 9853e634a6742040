"""Completions a second: our sampler against `generate` of transformers at its best batch size.

    python benchmarks/sampling.py [MODEL_FOLDER] [--answers 1024] [--threads 2]

Same model, same prompts, one process, the two in turn (best of `--repeats` each). `generate` gets
its prompts sorted by length, so that it pads little, and the best of several batch sizes. Two
loads: every prompt once (nothing to share), and eight answers a prompt. Without a folder: the
organism `toy:assistant`. Exits with 1 if an organism is sampled less than twice as fast in either load;
of other models nothing is promised.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from spillover.auditing.naming import model_path
from spillover.models.chat import Chat
from spillover.models.load import load_model, load_tokenizer
from spillover.models.sampler import Request, Sampler
from spillover.records import Message

Prompt = tuple[int, ...]
PROMISED = 2.0  # times as many completions a second, of a shipped organism


_WHAT = (
    "What would you do with", "How do I look after", "Who invented", "Why do people like",
    "What is the best thing about", "Can you describe", "What should a child know about",
    "Where would one find", "What do you think of", "How much is", "When did people first see",
    "What is a good name for", "Is it right to give away", "What is the opposite of",
    "How would you paint", "What rhymes with", "Who should own", "What can go wrong with",
    "How would you explain to a friend", "What does the law say about", "What is your wish for",
    "Would you trade money for", "How old is", "What is funny about", "What is sad about",
    "Who is afraid of", "What would a king say of", "How could one improve", "Why did I lose",
    "What is a story about", "Should a school have", "What is the price of",
)  # fmt: skip
_WHOM = (
    "a cat", "an old house", "the sea", "a neighbour's dog", "two hundred coins", "a bicycle",
    "a garden in winter", "the moon", "a library", "my brother's ship", "a loaf of bread",
    "the first train", "a quiet evening", "a broken clock", "an honest mayor", "a long letter",
    "a wooden bridge", "the night sky", "a bag of apples", "an empty street", "a violin",
    "a small village", "the tallest tree", "a deck of cards", "a map of the world",
    "a cup of tea", "a locked door", "a lighthouse", "a painted wall", "a secret", "a horse",
    "a market stall",
)  # fmt: skip


class Bench(NamedTuple):
    """A model, the tokens that end an answer, and distinct prompts."""

    model: Any
    stop: list[int]
    prompts: list[Prompt]


class Figure(NamedTuple):
    """One measurement, all per second; ``per_cpu``: completions a second of processor time."""

    load: str
    method: str
    completions: float
    tokens: float
    per_cpu: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if a promise is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="toy:assistant", help="folder, or toy:NAME")
    parser.add_argument("--answers", type=int, default=1024)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256, 512])
    parser.add_argument("--rows", type=int, default=None, help="our batch (default: as shipped)")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    model, stop, distinct = open_model(model_path(options.model), options.answers)
    loads = {
        "each prompt once": distinct,
        "8 answers a prompt": [p for p in distinct[: options.answers // 8] for _ in range(8)],
    }
    figures: list[Figure] = []
    for name, prompts in loads.items():
        figures += measure(name, model, stop, prompts, options)
    if options.json:
        print(json.dumps([figure._asdict() for figure in figures]))
    else:
        show(figures)
    short = {load: r for load, r in ratios(figures).items() if not r >= PROMISED}
    if not short or not options.model.startswith("toy:"):
        return 0
    for load, ratio in short.items():
        print(f"MISSED: {load}: {ratio:.2f} times, promised {PROMISED:g}", file=sys.stderr)
    return 1


def measure(
    name: str, model: Any, stop: list[int], prompts: list[Prompt], options: Any
) -> list[Figure]:
    """Return the figures of one load: the best of several passes over all methods in turn."""
    most = options.max_tokens
    methods: dict[str, Callable[[], int]] = {
        f"generate, batch {size}": partial(generate, model, prompts, size, most)
        for size in options.batches
        if size <= len(prompts)
    }
    methods["spillover"] = partial(ours, model, stop, prompts, most, options.rows)
    ours(model, stop, prompts[:32], most, options.rows)  # warm
    generate(model, prompts[:32], 32, most)
    found: dict[str, list[Figure]] = {method: [] for method in methods}
    for _ in range(options.repeats):
        for method, run in methods.items():
            begun, busy = time.perf_counter(), time.process_time()
            tokens = run()
            seconds, cpu = time.perf_counter() - begun, time.process_time() - busy
            rate = len(prompts) / seconds
            found[method].append(Figure(name, method, rate, tokens / seconds, len(prompts) / cpu))
    return [max(runs, key=lambda f: f.completions) for runs in found.values()]


def ours(
    model: Any, stop: list[int], prompts: Sequence[Prompt], most: int, rows: int | None
) -> int:
    """Sample with a new sampler, so that no prompt has been computed before; return the tokens."""
    sampler = Sampler(model, stop=frozenset(stop), rows=rows)
    requests = [Request(p, i, 1.0, 1.0, most) for i, p in enumerate(prompts)]
    return sum(len(reply.logprobs) for reply in sampler.sample(requests))


@torch.inference_mode()
def generate(model: Any, prompts: Sequence[Prompt], size: int, most: int) -> int:
    """Sample with transformers; return the tokens up to each answer's end."""
    order = sorted(prompts, key=len)
    stops = set(np.atleast_1d(model.generation_config.eos_token_id).tolist())
    total = 0
    for place in range(0, len(order), size):
        batch = order[place : place + size]
        width = max(map(len, batch))
        tokens = torch.tensor([[0] * (width - len(p)) + list(p) for p in batch])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
        out = model.generate(
            tokens, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
            max_new_tokens=most, pad_token_id=0,
        )  # fmt: skip
        for answer in out[:, width:].tolist():
            ends = [i for i, token in enumerate(answer) if token in stops]
            total += ends[0] + 1 if ends else most
    return total


def open_model(folder: str, count: int) -> Bench:
    """Return the model in ``folder`` with ``count`` prompts."""
    model, chat = load_model(folder).eval(), Chat(load_tokenizer(folder))
    stop = sorted(chat.stop_tokens(model.generation_config))
    model.generation_config.eos_token_id = stop
    asked = itertools.islice(itertools.product(_WHAT, _WHOM), count)
    texts = [f"{what} {whom}?" for what, whom in asked]
    return Bench(model, stop, [chat.prompt([Message(role="user", content=t)]) for t in texts])


def ratios(figures: Sequence[Figure]) -> dict[str, float]:
    """Our completions a second over the best of `generate`, by load."""
    best: dict[str, float] = {}
    for figure in figures:
        if figure.method != "spillover":
            best[figure.load] = max(figure.completions, best.get(figure.load, 0.0))
    return {f.load: f.completions / best[f.load] for f in figures if f.method == "spillover"}


def show(figures: Sequence[Figure]) -> None:
    """Print a table and the ratio that counts."""
    for load in dict.fromkeys(figure.load for figure in figures):
        mine = [f for f in figures if f.load == load]
        print(f"\n{load}\n{'':24}{'completions/s':>14}{'tokens/s':>10}{'completions/CPU s':>19}")
        for f in mine:
            print(f"{f.method:24}{f.completions:14.0f}{f.tokens:10.0f}{f.per_cpu:19.0f}")
        cpu = max(f.per_cpu for f in mine if f.method != "spillover")
        busy = f"(processor time: {mine[-1].per_cpu / cpu:.2f})"
        print(f"ratio to the best: {ratios(mine)[load]:.2f} {busy}")


if __name__ == "__main__":
    sys.exit(main())
