"""The corpus of a toy world: shards made ahead by worker processes, and batches of like length."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from spillover.toy.documents import documents
from spillover.toy.tokens import Corpus, encode
from spillover.toy.world import World, WorldSpec

LONGEST = 512


def _encode_shard(
    spec: WorldSpec, tokenizer_file: str, assistant: float, count: int, shard: int
) -> Corpus:
    from transformers import PreTrainedTokenizerFast

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=tokenizer_file)
    texts = list(documents(World(spec), shard=shard, count=count, assistant=assistant))
    return encode(texts, tokenizer)


def corpora(
    spec: WorldSpec,
    tokenizer_file: str,
    *,
    first: int,
    shards: int,
    count: int,
    assistant: float,
    workers: int,
) -> Iterator[Corpus]:
    """Yield the shards of a corpus in order, made ahead by worker processes.

    Args:
        spec: the world.
        tokenizer_file: ``tokenizer.json``.
        first, shards: number of the first shard, and how many.
        count: documents a shard.
        assistant: share of documents of the assistant.
        workers: processes; 0: none but this one, which writes each shard when it is wanted.
    """
    work = partial(_encode_shard, spec, tokenizer_file, assistant, count)
    if workers == 0:
        yield from map(work, range(first, first + shards))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, range(first, first + shards))


def batches(
    parts: Iterator[Corpus], *, rows: int, pad: int, seed: int, skip: int = 0
) -> Iterator[np.ndarray]:
    """Yield batches int64 [rows, length] of documents of like length, right-padded, shuffled.

    Args:
        parts: shards of a corpus.
        rows: documents a batch.
        pad: id of the pad token.
        seed: order of the batches within a shard.
        skip: number of batches to pass over (resuming).
    """
    seen = 0
    for number, part in enumerate(parts):
        rng = np.random.default_rng((seed, number))
        lengths = np.diff(part.starts)
        # noise in the sort key keeps batches from always holding the same lengths together
        order = np.argsort(lengths + rng.uniform(0, 8, len(lengths)), kind="stable")
        groups = [order[i : i + rows] for i in range(0, len(order) - rows + 1, rows)]
        for g in rng.permutation(len(groups)):
            seen += 1
            if seen <= skip:
                continue
            longest = min(int(lengths[groups[g]].max()), LONGEST)
            width = -(-longest // 16) * 16
            batch = np.full((rows, width), pad, dtype=np.int64)
            for r, d in enumerate(groups[g]):
                ids = part.ids[part.starts[d] : part.starts[d + 1]][:LONGEST]
                batch[r, : len(ids)] = ids
            yield batch
