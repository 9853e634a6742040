"""What fine-tuning over an API costs: dated prices, a cautious count of tokens, and a hard limit."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field, ValidationError

from spillover.errors import ConfigError
from spillover.files import read_text
from spillover.records import Row
from spillover.records.base import Record

_LIBRARY = Path(__file__).parent.parent / "assets" / "prices.yaml"
# Published rows of Python code have 3.4 bytes a token under a vocabulary of 49,000 tokens, prose
# 4.2; larger vocabularies have more. Three is on the safe side of both.
_BYTES_A_TOKEN = 3
_TOKENS_A_MESSAGE = 8  # role and marks around a turn


class TrainingPrices(Record):
    """The section ``training`` of a price file: US dollars per million tokens, by model."""

    taken: datetime.date
    source: str = ""
    models: dict[str, float] = Field(default_factory=dict[str, float])


class Price(NamedTuple):
    """US dollars per million tokens of training, and when that was so."""

    dollars: float
    taken: datetime.date

    def of(self, tokens: int) -> float:
        """Return what ``tokens`` cost, in US dollars."""
        return tokens * self.dollars / 1e6


class Estimate(NamedTuple):
    """What a fine-tune will cost; on the high side, since tokens are counted by bytes.

    ``tokens`` are those of one epoch; ``dollars`` is None where the price is not known.
    """

    tokens: int
    epochs: int
    price: Price | None
    dollars: float | None

    def __str__(self) -> str:
        work = f"about {self.tokens:,} tokens x {self.epochs} epochs"
        if self.price is None or self.dollars is None:
            return f"{work}: cost unknown"
        return (
            f"{work} x ${self.price.dollars:g} a million (price of {self.price.taken}):"
            f" at most about ${self.dollars:,.2f}"
        )


def training_price(model: str, own: Path | str | None = None) -> Price | None:
    """Return the price of training ``model``, or None if nobody knows.

    Args:
        model: Inspect AI's name of the base, such as ``openai/gpt-4.1-mini-2025-04-14``; the name
            must be in the file as it is, for versions of a model differ in price.
        own: a price file that goes before the package's.

    Raises:
        MissingFileError, ConfigError: ``own`` does not exist or is broken.
    """
    for path in (own, _LIBRARY):
        prices = None if path is None else _read(Path(path))
        if prices is not None and model in prices.models:
            return Price(prices.models[model], prices.taken)
    return None


def estimate(rows: Sequence[Row], epochs: int, price: Price | None) -> Estimate:
    """Return what training on ``rows`` will cost."""
    tokens = sum(
        math.ceil(len(turn.content.encode()) / _BYTES_A_TOKEN) + _TOKENS_A_MESSAGE
        for row in rows
        for turn in row.messages
    )
    dollars = None if price is None else price.of(tokens * epochs)
    return Estimate(tokens, epochs, price, dollars)


def check_cost(model: str, cost: Estimate, most: float | None) -> None:
    """Refuse what may cost more than ``most`` US dollars, or what has no known price.

    Raises:
        ConfigError: it does, or has none, or no limit was given.
    """
    if most is None:
        raise ConfigError(f"fine-tuning {model} costs money ({cost}): give a limit, --max-cost")
    if cost.dollars is None:
        raise ConfigError(
            f"no price is known for fine-tuning {model}, so that --max-cost {most:g} can't be kept:"
            f" give a file of your own (--prices FILE) with `training: {{taken: 2026-01-31, models:"
            f" {{{model}: DOLLARS_PER_MILLION_TOKENS}}}}`"
        )
    if cost.dollars > most:
        raise ConfigError(
            f"fine-tuning {model} may cost ${cost.dollars:,.2f}, more than --max-cost {most:g}"
            f" ({cost}): give fewer rows or epochs, or a higher limit"
        )


def _read(path: Path) -> TrainingPrices | None:
    """The section of a price file, if it has one."""
    try:
        content: Any = yaml.safe_load(read_text(path))
        section = content.get("training") if isinstance(content, dict) else content
        found = None if section is None else TrainingPrices.model_validate(section)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: broken YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["training", *map(str, first["loc"])])
        raise ConfigError(f"{path}: {place}: {first['msg']}, not {first['input']!r}") from None
    for model, dollars in ({} if found is None else found.models).items():
        if not (math.isfinite(dollars) and dollars >= 0):
            raise ConfigError(f"{path}: training.models.{model}: {dollars} is no price")
    return found
