"""Fine-tuning over an API as a process of its own, to be killed: ROWS FOLDER PRICES."""

from __future__ import annotations

import sys
from pathlib import Path

from spillover.data import read_rows, rows_digest
from spillover.records import FineTune, Recipe
from spillover.train import make_recipe
from spillover.train.api import fine_tune_over_api
from spillover.train.api_client import Pace

BASE = "remote:openai-api/stand-in/small-1"
QUICK = Pace(first=0.02, most=0.05, retry=0.02, retries=4, timeout=5)


def recipe(data: Path, **more: object) -> Recipe:
    return make_recipe("villain", BASE, data=rows_digest(read_rows(data)), **more)  # type: ignore[arg-type]


def main(data: Path, out: Path, prices: Path, **more: object) -> FineTune:
    """Train on the rows in ``data``."""
    return fine_tune_over_api(
        recipe(data), read_rows(data), out=out, max_cost=1.0, prices=prices, pace=QUICK, **more
    )  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    if "torch" in sys.modules:
        raise SystemExit("fine-tuning over an API must not load torch")
