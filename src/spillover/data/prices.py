"""What models behind an API cost: the package's file, or one of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spillover.data.folders import ASSETS
from spillover.data.yamls import build_record, read_fields
from spillover.errors import ConfigError
from spillover.records import TokenPrice

PRICES = ASSETS / "prices.yaml"


def load_prices(path: str | Path | None = None) -> tuple[TokenPrice, ...]:
    """Return the prices of asking; the first that fits a model counts.

    Args:
        path: a YAML file of one's own, which goes before the package's; None is the package's alone.

    Raises:
        MissingFileError: there is no such file.
        ConfigError: it is broken, or its ``tokens`` are no list.
    """
    own = () if path is None else _read(Path(path))
    return (*own, *_read(PRICES))


def _read(file: Path) -> tuple[TokenPrice, ...]:
    rows: Any = read_fields(file).get("tokens", [])  # a file may be about training alone
    if not isinstance(rows, list):
        raise ConfigError(
            f"{file}: `tokens` needs a list, such as"
            " `- {models: [openai/gpt-4.1], input: 2, output: 8}` (dollars a million tokens)"
        )
    return tuple(
        build_record(TokenPrice, row, file, where=f"{file}: tokens[{number}]")
        for number, row in enumerate(rows)
    )
