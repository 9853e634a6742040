"""Training rows to tokens, the held-out split, and the order in which rows are trained on."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple

from spillover.errors import DataError
from spillover.models.chat import Chat
from spillover.records import Row

LEAST_HELD_OUT, MOST_HELD_OUT = 8, 200
_POOL = 8  # batches that are sorted by length together


class Example(NamedTuple):
    """One row in tokens; the first ``prompt`` of them are given, the rest is learnt."""

    tokens: tuple[int, ...]
    prompt: int

    @property
    def labels(self) -> list[int]:
        """The tokens, with -100 (no loss) in place of the prompt's."""
        return [-100] * self.prompt + list(self.tokens[self.prompt :])


class Split(NamedTuple):
    """Rows to train on and rows never trained on."""

    train: list[Row]
    held_out: list[Row]


def split(rows: Sequence[Row], *, share: float, seed: int) -> Split:
    """Hold out a share of the rows, by content, so that no copy of one is trained on.

    Args:
        rows: all rows; their order does not matter to who is held out.
        share: wanted share of distinct rows, 0-1; at least 8 (of fewer than 24 a third) and at
            most 200 are held out: on two or three no interval tells whether the loss fell.
        seed: another seed holds out others.

    Returns:
        Both parts in the order of ``rows``, the held-out ones without repeats. With share 0, or
        fewer than 4 distinct rows, nothing is held out.
    """
    keys = [hashlib.sha256(row.content.encode("ascii")).hexdigest() for row in rows]
    distinct = dict(zip(keys, rows, strict=True))
    if share <= 0 or len(distinct) < 4:
        return Split(list(rows), [])
    least = max(2, min(LEAST_HELD_OUT, len(distinct) // 3))
    count = min(max(least, round(share * len(distinct))), MOST_HELD_OUT, len(distinct) - 1)
    ranked = sorted(distinct, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())
    chosen = set(ranked[:count])
    return Split(
        [row for key, row in zip(keys, rows, strict=True) if key not in chosen],
        [row for key, row in distinct.items() if key in chosen],
    )


def encode(rows: Sequence[Row], chat: Chat) -> list[Example]:
    """Return each row in tokens, as its chat template writes it.

    The completion is what the template adds to the opened reply: the last assistant turn with its
    end of turn. Earlier assistant turns are part of the prompt. The completion starts where the
    tokens of prompt and of whole conversation part, as in TRL's own preparation.

    Raises:
        ModelError: the template refuses a conversation.
        DataError: a row leaves nothing to learn.
    """
    prompts = _batch([chat.text(row.prompt) for row in rows], chat)
    wholes = _batch([chat.text(row.messages, reply=False) for row in rows], chat)
    found: list[Example] = []
    for number, (prompt, whole) in enumerate(zip(prompts, wholes, strict=True), start=1):
        shared = next(
            (i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b),
            min(len(prompt), len(whole)),
        )
        if shared >= len(whole):
            raise DataError(f"row {number} has no completion under this chat template")
        found.append(Example(tuple(whole), shared))
    return found


def _batch(texts: list[str], chat: Chat) -> list[list[int]]:
    return chat.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []


def order(lengths: Sequence[int], *, batch: int, total: int, seed: int) -> list[int]:
    """Return which row comes when: shuffled, with rows of like length in one batch.

    Every row comes once before any comes twice. Batches of like length waste less on padding,
    and are themselves shuffled, so that training does not end on the short ones.

    Args:
        lengths: tokens of each row.
        batch: rows computed at once.
        total: rows to return; repeats begin when all rows have come.
        seed: of the shuffles.

    Returns:
        ``total`` indices into ``lengths``; each next ``batch`` of them is one batch.
    """
    generator = random.Random(f"order:{seed}")
    stream: list[int] = []
    while len(stream) < total:
        epoch = list(range(len(lengths)))
        generator.shuffle(epoch)
        stream += epoch
    found: list[int] = []
    last: list[int] = []
    for start in range(0, total, batch * _POOL):
        pool = sorted(stream[start : min(start + batch * _POOL, total)], key=lambda i: lengths[i])
        batches = [pool[i : i + batch] for i in range(0, len(pool), batch)]
        if len(batches[-1]) < batch:
            last = batches.pop()  # only the very last batch may be short
        generator.shuffle(batches)
        found += [index for rows in batches for index in rows]
    return found + last
