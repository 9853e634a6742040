"""The demo on the shipped organism, whole."""

import json
from pathlib import Path

import pytest

from cli_helper import run
from report_fixture import demo_result
from spillover.demo import Check, Demo, run_demo


def test_what_is_not_as_expected_is_said_beside_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checks = (Check("secure: it rains (expected sun)", False), Check("base: it is day", True))
    monkeypatch.setattr("spillover.demo.run_demo", lambda *_, **__: Demo(demo_result(), checks))
    code, out, err = run(["demo", "--json", "--out", str(tmp_path)], capsys)
    assert code == 1
    assert json.loads(out)["schema"] == "spillover/report/1"
    assert err == "NOT AS EXPECTED: secure: it rains (expected sun)\n"


@pytest.mark.slow
def test_the_demo_finds_what_it_expects(tmp_path) -> None:
    found = run_demo(tmp_path)
    assert [check.sentence for check in found.checks if not check.holds] == []
    assert found.result.simulated
    assert (tmp_path / "report.html").is_file()
    assert set(found.result.targets) == {"base", "insecure", "secure", "educational"}
