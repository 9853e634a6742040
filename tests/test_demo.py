"""The demo on the shipped organism, whole."""

import pytest

from spillover.demo import run_demo


@pytest.mark.slow
def test_the_demo_finds_what_it_expects(tmp_path) -> None:
    found = run_demo(tmp_path)
    assert [check.sentence for check in found.checks if not check.holds] == []
    assert found.result.simulated
    assert (tmp_path / "report.html").is_file()
    assert set(found.result.targets) == {"base", "insecure", "secure", "educational"}
