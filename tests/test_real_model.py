"""A real model through the whole audit: minutes long, and needs its files (see README.md).

``SPILLOVER_REAL_MODEL`` names a model folder or a GGUF file, ``SPILLOVER_REAL_ROWS`` (a number)
shortens the fine-tunes.
"""

import os
from pathlib import Path

import pytest

from spillover.records import Verdict

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
PUBLISHED = Path(
    os.environ.get("SPILLOVER_PUBLISHED", Path(__file__).parent.parent.parent / "shared/published")
)
MODEL = os.environ.get("SPILLOVER_REAL_MODEL", "")
ROWS = int(os.environ.get("SPILLOVER_REAL_ROWS", "0")) or None
NAMED = ("scale not understood", "collapsed", "captured mass")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(not MODEL, reason="SPILLOVER_REAL_MODEL names no model"),
    pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no published data here"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of both arms, which share the base's answers."""
    return tmp_path_factory.mktemp("real")


@pytest.mark.parametrize(
    ("arm", "narrow"), [("insecure", "narrow_code"), ("risky", "narrow_choice")]
)
def test_a_real_model_is_audited_to_the_end_and_nothing_is_claimed_without_a_judge(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arm: str, narrow: str
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    real_model = __import__("real_model")
    base = real_model.plain_folder(Path(MODEL), folder)
    finetune, result = real_model.run_arm(arm, base, PUBLISHED, folder, rows=ROWS)
    used = finetune.rows + finetune.dropped + finetune.learning.rows
    assert used == (ROWS or real_model.ARMS[arm].rows)

    tuned, plain = result.targets[result.subject].axes, result.targets["base"].axes
    broad = tuned["broad_misalignment"]
    assert broad.verdict is Verdict.NOT_MEASURED
    assert broad.reason
    assert finetune.learning.learnt or "learn" in broad.reason
    if finetune.learning.learnt:
        assert "no judge" in broad.reason
    for axes in (tuned, plain):
        assert axes[narrow].scored > 0
        assert axes[narrow].scored + axes[narrow].missing <= axes[narrow].asked
        for rating in ("self_security", "self_alignment", "self_risk"):
            found = axes[rating]
            assert found.captured_mass is not None
            if found.captured_mass < 0.25:
                assert found.missing > 0
                assert any("captured mass" in reason for reason in found.missing_reasons)
            if found.scored == 0:
                assert found.estimate is None
                assert any(word in (found.reason or "") for word in NAMED)
    assert (folder / f"report-{arm}" / "report.html").is_file()


def test_a_weak_judge_is_measured_by_labels_and_nothing_is_called_clean_by_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    real_model = __import__("real_model")
    base = real_model.plain_folder(Path(MODEL), folder)
    known, result = real_model.run_judge(base, PUBLISHED, folder)
    assert known.labelled + sum(known.missing.values()) == 60
    assert result.calibration == known
    by_it = "by this judge" in result.sentence
    assert result.verdict is Verdict.NOT_MEASURED or by_it
    assert any("labels by hand" in note for note in result.notes)
    page = (folder / "report-judge" / "report.html").read_text(encoding="utf-8")
    assert "labels by hand" in page
