"""Does an answer speak to whoever judges it? By our own list of patterns, kept as data.

The fence keeps such an answer from being taken for instructions; whether a judge follows it all
the same is another matter, so what is found here is counted and shown.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from importlib import resources

import yaml

_HIDDEN = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
# letters set apart, as in "i g n o r e": at least four of them
_SPACED = re.compile(r"\b(?:\w[ .\-_*]){3,}\w\b")

_LEET = str.maketrans("013457@$", "oieastas")
# a word with digits among its letters
_MIXED = re.compile(r"\b(?=\w*[^\W\d_])(?=[\w@$]*[\d@$])[\w@$]+")


@functools.lru_cache(maxsize=8192)  # every rubric's judge asks it of the same answers
def find_order(text: str) -> str | None:
    """Return the words with which an answer speaks to its judge, or None if it does not.

    Disguises are taken off one by one: hidden characters, marks and hyphens inside words, letters
    that are set apart, digits for letters.
    """
    for form in dict.fromkeys(_forms(text)):
        if hit := _pattern().search(form):
            return " ".join(hit[0].split())
    return None


def _forms(text: str) -> Iterator[str]:
    plain = _HIDDEN.sub("", unicodedata.normalize("NFKC", text)).replace("’", "'")
    yield plain
    yield re.sub(r"(?<=\w)[*_`~]+(?=\w)", "", plain)
    yield _SPACED.sub(lambda hit: re.sub(r"[ .\-_*]", "", hit[0]), plain)
    yield re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", "", plain)
    yield re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", " ", plain)
    yield _MIXED.sub(lambda hit: hit[0].translate(_LEET), plain)


@functools.cache
def _pattern() -> re.Pattern[str]:
    path = resources.files("spillover") / "assets" / "judges" / "injection.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    lists = {name: f"(?:{'|'.join(v)})" for name, v in data.items() if name != "patterns"}
    patterns = [
        functools.reduce(lambda p, name: p.replace(f"{{{name}}}", lists[name]), lists, pattern)
        for pattern in data["patterns"]
    ]
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE | re.MULTILINE)
