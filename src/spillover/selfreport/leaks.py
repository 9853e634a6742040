"""Leak check: do the training rows hold the words that the self-report asks about?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spillover.errors import ConfigError


@dataclass(frozen=True)
class LeakCheck:
    """How many training rows hold a word of the self-report.

    Attributes:
        rows: rows looked at.
        leaking: rows that hold at least one of the words.
        by_word: rows that hold each word; words that occur nowhere are left out.
        examples: numbers (from 0) of the first five leaking rows.
    """

    rows: int
    leaking: int
    by_word: dict[str, int]
    examples: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """One sentence to show."""
        if not self.leaking:
            return f"none of {self.rows} training rows has a word of the self-report"
        most = sorted(self.by_word, key=lambda word: -self.by_word[word])[:3]
        words = ", ".join(f"{word} ({self.by_word[word]})" for word in most)
        return (
            f"{self.leaking} of {self.rows} training rows have words of the self-report: {words};"
            " the claim may have been taught directly"
        )


def leak_check(texts: Iterable[str], words: Sequence[str]) -> LeakCheck:
    """Count the training rows that hold words of a self-report.

    Args:
        texts: the whole text of each row, prompt and answer.
        words: whole words or phrases, without regard to case; a final ``*`` stands for any ending.

    Raises:
        ConfigError: no words, or an empty one.
    """
    if not words or not all(word.strip("* ") for word in words):
        raise ConfigError(f"the leak check needs words, not {list(words)!r}")
    patterns = {word: re.compile(_pattern(word), re.IGNORECASE) for word in words}
    rows, leaking, examples = 0, 0, list[int]()
    by_word = dict.fromkeys(words, 0)
    for text in texts:
        hits = [word for word, pattern in patterns.items() if pattern.search(text)]
        for word in hits:
            by_word[word] += 1
        if hits:
            leaking += 1
            examples.append(rows)
        rows += 1
    found = {word: count for word, count in by_word.items() if count}
    return LeakCheck(rows, leaking, found, tuple(examples[:5]))


def _pattern(word: str) -> str:
    stem = r"\s+".join(re.escape(part) for part in word.rstrip("*").split())
    # "_" parts words too: secure_filename holds the word secure
    return rf"(?<![^\W_]){stem}" + ("" if word.endswith("*") else r"(?![^\W_])")
