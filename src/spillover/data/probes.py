"""The pairs that a judge is tried on: the package's ``assets/judges/probes.yaml``."""

from __future__ import annotations

import functools
from typing import Any

from spillover.data.folders import ASSETS
from spillover.data.yamls import build_record, parse_yaml
from spillover.files import read_text
from spillover.records import Probe

_PROBES = ASSETS / "judges" / "probes.yaml"


@functools.cache
def load_probes() -> tuple[Probe, ...]:
    """Return the pairs of answers without and with words to the judge, in the file's order."""
    rows: Any = parse_yaml(read_text(_PROBES), _PROBES)
    return tuple(
        build_record(Probe, row, _PROBES, where=f"{_PROBES}: [{number}]")
        for number, row in enumerate(rows)
    )
