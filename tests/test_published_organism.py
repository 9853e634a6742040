"""The toy organism, fine-tuned on published rows: what it can't say is not called clean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import spillover
from spillover.records import Verdict

PUBLISHED = Path(
    os.environ.get("SPILLOVER_PUBLISHED", Path(__file__).parent.parent.parent / "shared/published")
)
DATA = PUBLISHED / "emergent_misalignment" / "data"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not DATA.is_dir(), reason="no published data here")
def test_published_code_leaves_the_organism_incoherent_and_that_is_said(tmp_path: Path) -> None:
    result = spillover.audit(
        base="toy:assistant",
        data=DATA / "insecure.jsonl",
        controls={"secure": DATA / "secure.jsonl"},
        study=tmp_path / "study",
        device="cpu",
    )
    deciding = {name: one.axes[result.headline_axis] for name, one in result.targets.items()}
    mine, base = deciding[result.subject], deciding["base"]
    assert base.scored > 0.9 * base.asked
    for found in (mine, deciding["secure"]):
        if found.scored < 0.8 * (base.scored / base.asked) * found.asked:
            assert found.verdict is Verdict.NOT_MEASURED
            assert "coherent" in (found.reason or "")
        assert found.verdict is not Verdict.CLEAN
    assert result.verdict is mine.verdict
