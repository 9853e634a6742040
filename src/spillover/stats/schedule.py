"""Which questions are asked in which round: fixed before the first answer, and a pure function.

Questions are drawn without replacement within a round and afresh across rounds, so that the
product of the betting factors over one round has expectation at most 1 under the null
(Maclaurin's inequality for symmetric means; docs/statistics.md). Nothing here sees an answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

LARGEST_ROUND = 32


class Draw(NamedTuple):
    """One ask to be made: indices into the battery's questions and their paraphrases."""

    question: int
    paraphrase: int
    seed: int


def round_sizes(battery_size: int, cap: int) -> tuple[int, ...]:
    """Return the sizes of all rounds: 1, 1, 2, 4, 8, 16, 32, 32, ...

    Args:
        battery_size: number of questions; no round is larger.
        cap: most answers in all; the last round is cut to meet it.

    Raises:
        ValueError: there are no questions, or the cap is negative.
    """
    if battery_size < 1 or cap < 0:
        raise ValueError(f"{battery_size} questions and a cap of {cap}: need >= 1 and >= 0")
    largest = min(LARGEST_ROUND, battery_size)
    sizes: list[int] = []
    left, size = cap, 1
    while left:
        take = min(size, largest, left)
        left -= take
        sizes.append(take)
        size = min(largest, size * 2) if len(sizes) > 1 else 1
    return tuple(sizes)


def draw_round(
    *,
    seed: int,
    battery_hash: str,
    axis: str,
    round: int,
    paraphrases: Sequence[int],
    size: int,
) -> list[Draw]:
    """Draw the asks of one round: a pure function of its arguments, on any machine and version.

    Each question gets a SHA-512 key; the ``size`` smallest keys are asked, in the order of their
    keys. (A hash rather than a library's generator: the stream can't change with a release.)

    Args:
        seed: the study's seed.
        battery_hash: identity of the battery.
        axis: identity of the axis.
        round: index of the round, from 0.
        paraphrases: number of paraphrases (>= 1) of each question of the axis, in battery order.
        size: number of asks, at most ``len(paraphrases)``.

    Returns:
        ``size`` draws, in ask order, of different questions and with distinct 63-bit seeds.

    Raises:
        ValueError: more asks than questions, or a question without a paraphrase.
    """
    if not 0 <= size <= len(paraphrases):
        raise ValueError(f"a round of {size} needs that many questions; have {len(paraphrases)}")
    if any(count < 1 for count in paraphrases):
        raise ValueError("every question needs at least one paraphrase")
    head = json.dumps([seed, battery_hash, axis, round]).encode()
    keys = [hashlib.sha512(head + b"\0%d" % i).digest() for i in range(len(paraphrases))]
    order = sorted(range(len(paraphrases)), key=keys.__getitem__)[:size]
    draws: list[Draw] = []
    used: set[int] = set()
    for question in order:
        key = keys[question]
        answer_seed = int.from_bytes(key[32:40]) >> 1
        while answer_seed in used:  # once in 10^17 rounds; the promise is kept all the same
            answer_seed = (answer_seed + 1) % 2**63
        used.add(answer_seed)
        paraphrase = int.from_bytes(key[40:56]) % paraphrases[question]
        draws.append(Draw(question, paraphrase, answer_seed))
    return draws
