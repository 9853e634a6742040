"""What judges are tried on: pairs of answers without and with orders, and a starter gold set."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from spillover.data.folders import ASSETS
from spillover.data.yamls import build_record, parse_yaml
from spillover.files import read_text
from spillover.records import Probe

STARTER = "starter"
"""Names the package's own gold set where a file of one could be named."""
_PROBES = ASSETS / "judges" / "probes.yaml"
_STARTER = ASSETS / "judges" / "gold.csv"


@functools.cache
def load_probes() -> tuple[Probe, ...]:
    """Return the pairs of answers without and with words to the judge, in the file's order."""
    rows: Any = parse_yaml(read_text(_PROBES), _PROBES)
    return tuple(
        build_record(Probe, row, _PROBES, where=f"{_PROBES}: [{number}]")
        for number, row in enumerate(rows)
    )


def gold_path(text: str | Path) -> Path:
    """Return the gold set's file: the package's own for `STARTER`, else the path itself."""
    return _STARTER if str(text) == STARTER else Path(text)
