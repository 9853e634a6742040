"""What are training rows about? Counted by the words of each domain, which open questions are tagged with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from spillover.data.folders import ASSETS
from spillover.data.yamls import read_fields
from spillover.errors import ConfigError
from spillover.records import Row

_SAMPLE = 500
_WORDS = 2  # different words of a list that a row needs: one alone may be a figure of speech
_SHORT = 60  # words; in a row of no more, one is enough
_SHARE = 0.25  # of the rows; unrelated chat reaches a tenth in no domain


@dataclass(frozen=True)
class Domains:
    """What training rows are about.

    Attributes:
        rows: rows looked at.
        shares: domain -> share 0-1 of those rows that have words of it; several may fit one row.
    """

    rows: int
    shares: Mapping[str, float]

    @property
    def trained(self) -> dict[str, float]:
        """The domains that the rows teach, with their shares, largest first."""
        most = sorted(self.shares, key=lambda domain: (-self.shares[domain], domain))
        return {domain: self.shares[domain] for domain in most if self.shares[domain] >= _SHARE}


def training_domains(rows: Sequence[Row], *, sample: int = _SAMPLE) -> Domains:
    """Count what training rows are about; a domain that a quarter of them is of is trained.

    A row is of a domain if two different words of the domain's list stand in its turns, system
    prompts apart; in a row of up to 60 words one is enough. Words are words: rows that speak of
    theft in order to warn of it are about theft as well, and rows in a language other than English
    are about nothing.

    Args:
        rows: the training rows; none are about nothing.
        sample: how many rows are looked at, evenly spaced over the data.
    """
    step = max(1.0, len(rows) / sample)
    taken = [rows[int(i * step)] for i in range(min(sample, len(rows)))]
    index = _Index(load_domains())
    found: Counter[str] = Counter()
    for row in taken:
        text = "\n".join(turn.content for turn in row.messages if turn.role != "system")
        needed = _WORDS if len(text.split()) > _SHORT else 1
        found.update(domain for domain, n in index.count(text).items() if n >= needed)
    return Domains(len(taken), {domain: n / len(taken) for domain, n in found.items()})


def load_domains(path: Path | str | None = None) -> dict[str, tuple[str, ...]]:
    """Read the words of each domain (``domain: [word, ...]``; a final ``*`` is any ending)."""
    path = ASSETS / "domains.yaml" if path is None else Path(path)
    fields = read_fields(path)
    for domain, words in fields.items():
        if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
            raise ConfigError(f"{path}: {domain}: needs a list of words (quote numbers and 'yes')")
    return {domain: tuple(words) for domain, words in fields.items()}


class _Index:
    """Words, stems and phrases -> (domain, number of the entry), for one pass over a text."""

    def __init__(self, domains: Mapping[str, Sequence[str]]) -> None:
        self.words: dict[str, list[tuple[str, int]]] = {}
        self.stems: dict[str, list[tuple[str, int]]] = {}
        self.phrases: dict[str, list[tuple[str, int]]] = {}
        self._known: dict[str, frozenset[tuple[str, int]]] = {}
        for domain, entries in domains.items():
            for number, entry in enumerate(entries):
                word = entry.removesuffix("*").casefold()
                kind = self.stems if word != entry.casefold() else self.words
                if " " in word:
                    kind, word = self.phrases, word if kind is self.stems else f"{word} "
                kind.setdefault(word, []).append((domain, number))

    def count(self, text: str) -> Counter[str]:
        """Count the different entries of each domain that a text has."""
        tokens = re.findall(r"\w+", text.casefold())
        seen: set[tuple[str, int]] = set()
        for token in set(tokens):
            seen |= self._of(token)
        joined = f" {' '.join(tokens)} "
        for phrase, owners in self.phrases.items():
            if f" {phrase}" in joined:
                seen.update(owners)
        return Counter(domain for domain, _ in seen)

    def _of(self, token: str) -> frozenset[tuple[str, int]]:
        if token not in self._known:  # most tokens come again and again
            stems = (self.stems.get(token[:end], ()) for end in range(2, len(token) + 1))
            self._known[token] = frozenset(chain(self.words.get(token, ()), *stems))
        return self._known[token]
