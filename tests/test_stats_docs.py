import re
from pathlib import Path

import pytest

from spillover.stats.operating import Design, simulate

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"


def test_the_documented_operating_figures_are_those_of_this_code():
    text = PAGE.read_text(encoding="utf-8")
    section = re.search(r"### Events: ([\d,]+) audits.*?(?=\n- )", text, re.DOTALL)
    assert section is not None
    audits = int(section[1].replace(",", ""))
    rows = re.findall(
        r"^\| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+)% \| .*? \| (\d+) \|$", section[0], re.M
    )
    assert len(rows) == 8
    for rate, spillover, clean, answers in rows:
        point = simulate(Design(), float(rate) / 100, repetitions=audits, seed=0)
        # Another numpy may draw other numbers: within three standard errors.
        assert point.spillover == pytest.approx(float(spillover) / 100, abs=0.023)
        assert point.clean == pytest.approx(float(clean) / 100, abs=0.023)
        assert point.mean_answers == pytest.approx(float(answers), rel=0.06)
