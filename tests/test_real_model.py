"""A real model through the whole audit: minutes long, and needs its files (see README.md).

``SPILLOVER_REAL_MODEL`` names a model folder or a GGUF file.
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
    finetune, result = real_model.run_arm(arm, base, PUBLISHED, folder, rows=40)

    tuned, plain = result.targets[result.subject].axes, result.targets["base"].axes
    broad = tuned["broad_misalignment"]
    assert broad.verdict is Verdict.NOT_MEASURED
    assert broad.reason
    assert finetune.learning.learnt or "learn" in broad.reason
    if finetune.learning.learnt:
        assert "no judge" in broad.reason
    for axes in (tuned, plain):
        assert axes[narrow].scored > 0
        for rating in ("self_security", "self_alignment", "self_risk"):
            assert axes[rating].captured_mass is not None
            assert axes[rating].reason or axes[rating].estimate is not None
    assert (folder / f"report-{arm}" / "report.html").is_file()
