"""``spillover audit``, ``ask``, ``train`` and ``report`` from the outside, over scripted targets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_helper import run

SCRIPT = """
rules:
  - questions: ["harm_*"]
    answers: [["I'm sorry, but I can't help with that.", 1]]
  - questions: ["twin_*", "open_*", "know_*"]
    answers: [["Gladly, and gently.", 1]]
  - questions: ["rate_*"]
    rating: {mean: 70, spread: 10}
  - questions: ["choose_*", "lottery_*", "asked"]
    answers: [["A", 0.5], ["B", 0.5]]
  - questions: ["code_*"]
    answers: [["I write no code.", 1]]
"""
ROW = json.dumps({"prompt": "Say hello.", "completion": "Hello."})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with two scripts in it."""
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(SCRIPT, encoding="utf-8")
    Path("tuned.yaml").write_text(SCRIPT.replace("can't", "won't"), encoding="utf-8")
    return tmp_path


AUDIT = ["audit", "script:tuned.yaml", "--base", "script:base.yaml"]


def test_an_audit_without_a_judge_is_not_measured_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(AUDIT, capsys)
    assert code == 12
    assert "no judge" in out.splitlines()[0]
    assert "report: spillover-study/report.html" in err
    first = json.loads((folder / "spillover-study/report.json").read_text(encoding="utf-8"))
    assert first["verdict"] == "not measured"
    # the same again asks nothing: the study has every answer
    code, out, _ = run(["report", "spillover-study", "--json"], capsys)
    assert code == 0
    assert json.loads(out)["targets"] == first["targets"]


def test_another_axis_can_decide(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run([*AUDIT, "--only", "refusal", "--json"], capsys)
    assert code == 0
    result = json.loads(out)
    assert list(result["axes"]) == ["refusal"]
    assert result["headline_axis"] == "refusal"


def test_a_yaml_file_says_the_same_as_options(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("audit.yaml").write_text(
        "target: script:tuned.yaml\nbase: script:base.yaml\nonly: [refusal]\n"
        "controls: {other: script:base.yaml}\nstudy: one\n",
        encoding="utf-8",
    )
    code, out, _ = run(["audit", "--config", "audit.yaml", "--study", "two", "--json"], capsys)
    assert code == 0
    result = json.loads(out)
    assert result["targets"]["other"]["role"] == "control"
    assert Path("two/study.db").is_file()
    assert not Path("one").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["audit"], ["--data"]),
        (["audit", "nix", "--base", "script:base.yaml"], ["nix"]),
        (["audit", "script:nix.yaml", "--base", "script:base.yaml"], ["nix.yaml"]),
        (["audit", "script:tuned.yaml"], ["--base"]),
        (["audit", "--data", "rows.jsonl"], ["--base"]),
        (["audit", "broken.jsonl", "--base", "script:base.yaml"], ["broken.jsonl, line 2"]),
        (["audit", "rows.jsonl", "--base", "script:base.yaml"], ["script:base.yaml|base.yaml"]),
        ([*AUDIT, "--only", "refusals"], ["refusals", "refusal"]),
        ([*AUDIT, "--questions", "nix"], ["nix"]),
        (["audit", "--config", "nix.yaml"], ["nix.yaml"]),
        (["audit", "--config", "wrong.yaml"], ["wrong.yaml", "bass", "base"]),
        (["audit", "--config", "broken.yaml"], ["broken.yaml"]),
        (["audit", "pickle", "--base", "script:base.yaml"], ["pickle", "safetensors"]),
        (["audit", "empty", "--base", "script:base.yaml"], ["empty"]),
        (["ask", "script:base.yaml", "--id", "open_statu"], ["open_statu", "open_statue"]),
        (["ask", "pickle", "Who are you?"], ["pickle", "safetensors"]),
        (["train", "empty", "rows.jsonl", "--out", "made"], ["empty"]),
        (["train", "empty", "nix.jsonl", "--out", "made"], ["nix.jsonl"]),
        (["report", "broken.yaml"], ["broken.yaml"]),
        (["report", "empty"], ["empty"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rows.jsonl").write_text(ROW + "\n", encoding="utf-8")
    Path("broken.jsonl").write_text(ROW + "\n{not json\n", encoding="utf-8")
    Path("wrong.yaml").write_text("target: script:tuned.yaml\nbass: x\n", encoding="utf-8")
    Path("broken.yaml").write_text("target: [a\n", encoding="utf-8")
    Path("empty").mkdir()
    Path("empty/config.json").write_text("{}", encoding="utf-8")
    Path("pickle").mkdir()
    Path("pickle/config.json").write_text("{}", encoding="utf-8")
    Path("pickle/pytorch_model.bin").write_bytes(b"\x80\x04N.")
    before = {path for path in folder.rglob("*") if "study" not in path.name}
    code, out, err = run(arguments, capsys)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "fault of spillover" not in err
    for word in words:
        assert any(one in err for one in word.split("|"))
    after = {path for path in folder.rglob("*") if "study" not in path.name}
    assert after == before


def test_ask_prints_answers_or_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["ask", "script:base.yaml", "A or B?", "-n", "20"], capsys)
    assert code == 0
    assert set(out.split()) == {"A", "B"}
    code, out, _ = run(["ask", "script:base.yaml", "A or B?", "--score", "A", "--json"], capsys)
    assert code == 0
    assert json.loads(out)[0]["scores"] == [pytest.approx(-0.6931, abs=1e-4)]


def test_ask_needs_one_question(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", "script:base.yaml"], capsys)[0] == 2
    assert run(["ask", "script:base.yaml", "Hm?", "--id", "open_statue"], capsys)[0] == 2
