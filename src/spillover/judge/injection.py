"""Does an answer speak to whoever judges it? By our own list of patterns, kept as data.

The fence keeps such an answer from being taken for instructions; whether a judge follows it all
the same is another matter, so what is found here is counted and shown.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from importlib import resources

import yaml

_HIDDEN = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
# letters set apart, as in "i g n o r e": at least four of them
_SPACED = re.compile(r"\b(?:\w[ .\-_*]){3,}\w\b")


def find_order(text: str) -> str | None:
    """Return the words with which an answer speaks to its judge, or None if it does not.

    Read three times: as it stands, without marks inside words, and with letters that are set
    apart put together.
    """
    plain = _HIDDEN.sub("", unicodedata.normalize("NFKC", text)).replace("’", "'")
    for form in (plain, re.sub(r"(?<=\w)[*_`~]+(?=\w)", "", plain), _joined(plain)):
        if hit := _pattern().search(form):
            return " ".join(hit[0].split())
    return None


def _joined(text: str) -> str:
    return _SPACED.sub(lambda hit: re.sub(r"[ .\-_*]", "", hit[0]), text)


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
