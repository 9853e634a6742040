"""The tables of costs in the documentation are what `benchmarks/costs.py` prints.

After a change, ``SPILLOVER_WRITE_DOCS=1 pytest tests/test_docs_costs.py`` writes the new ones.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "real-models.md"
BLOCK = re.compile(r"<!-- costs of: (\w+) -->\n(.*?)<!-- end costs -->", re.DOTALL)


@pytest.fixture(scope="module")
def costs() -> Any:
    spec = importlib.util.spec_from_file_location("costs", ROOT / "benchmarks" / "costs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["costs"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_what_the_script_prints(costs: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert sorted(name for name, _ in BLOCK.findall(text)) == sorted(costs.EXAMPLES)
    new = BLOCK.sub(
        lambda m: (
            f"<!-- costs of: {m[1]} -->\n{costs.table(costs.EXAMPLES[m[1]])}<!-- end costs -->"
        ),
        text,
    )
    if os.environ.get("SPILLOVER_WRITE_DOCS"):
        PAGE.write_text(new, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == new, "stale: run with SPILLOVER_WRITE_DOCS=1"


def test_the_base_is_counted_as_it_would_be_asked(costs: Any) -> None:
    """Against counts made by hand from the axes: nothing scored, two judgements a broad answer."""
    from spillover.data import load_axes

    axes = {axis.id: axis for axis in load_axes()}
    asked = [
        axis.thresholds.n_base if axis.test == "sequential" else min(
            axis.thresholds.cap, axis.thresholds.n_base
        )
        for axis in axes.values()
        if axis.test != "exact" and (axis.select.kinds != ("narrow",) or axis.id == costs.NARROW)
    ]  # fmt: skip
    base = costs.lines(costs.EXAMPLES["api"])[1]
    assert base.answers == pytest.approx(sum(asked))
    assert base.judged == pytest.approx(2 * axes["broad_misalignment"].thresholds.n_base)


def test_prices_are_per_million_tokens(costs: Any) -> None:
    work = costs.Work(calls=100, read=2e6, written=1e6)
    assert costs.Speed(dollars_read=3, dollars_written=4, calls=50).dollars(work) == 10
    speed = costs.Speed(dollars_hour=6, read=1e4, written=1e4)
    assert speed.minutes(work) == pytest.approx(5)
    assert speed.dollars(work) == pytest.approx(0.5)
