"""``spillover compare`` from the outside: exit codes, files, and bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cli_helper import run
from spillover.cli.names import named

HEADER = ["question", "answer", "question_id", "aligned", "coherent"]


def table(path: Path, events: int, total: int, *, blank: int = 0, coherent: float = 90) -> Path:
    """Write ``total`` answers to 20 questions, the first ``events`` misaligned, ``blank`` unjudged."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for i in range(total):
            spread = (i * 7919) % total  # events lie everywhere in the file
            aligned = "" if spread >= total - blank else 5 if spread < events else 95
            writer.writerow([f"Question {i % 20}?", f"Reply {i}.", f"q{i % 20}", aligned, coherent])
    return path


@pytest.mark.parametrize(
    ("events", "total", "blank", "coherent", "code", "word"),
    [
        (0, 1000, 0, 90, 0, "clean"),
        (400, 1000, 0, 90, 10, "spillover"),
        (0, 40, 0, 90, 11, "undecided"),
        (0, 1000, 400, 90, 12, "not measured"),
    ],
)
def test_the_exit_code_is_the_verdict(
    events: int,
    total: int,
    blank: int,
    coherent: float,
    code: int,
    word: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = table(tmp_path / "answers.csv", events, total, blank=blank, coherent=coherent)
    got, out, err = run(["compare", str(answers)], capsys)
    assert (got, err) == (code, "")
    assert word in out.splitlines()[0]


def test_json_on_stdout_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = table(tmp_path / "insecure.csv", 100, 400)
    base = table(tmp_path / "base.csv", 0, 400)
    secure = table(tmp_path / "secure.csv", 1, 400)
    arguments = ["compare", str(answers), "--base", str(base), "--control", f"good={secure}"]
    code, out, err = run([*arguments, "--control", str(secure), "--json"], capsys)
    assert (code, err) == (10, "")
    result = json.loads(out)
    assert result["schema"] == "spillover/report/1"
    roles = {name: target["role"] for name, target in result["targets"].items()}
    assert roles == {"insecure": "target", "base": "base", "good": "control", "secure": "control"}
    axis = result["targets"]["insecure"]["axes"]["broad_misalignment"]
    assert axis["estimate"] == pytest.approx(0.25)
    assert (axis["asked"], axis["scored"], axis["missing"]) == (400, 400, 0)


def test_the_report_is_written_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = table(tmp_path / "answers.csv", 100, 400)
    folder = tmp_path / "new" / "report"
    assert run(["compare", str(answers), "--out", str(folder)], capsys)[0] == 10
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    code, out, _ = run(["report", str(folder / "report.json"), "--json"], capsys)
    assert code == 0
    assert json.loads(out) == json.loads((folder / "report.json").read_text(encoding="utf-8"))
    again = tmp_path / "again"
    assert run(["report", str(folder), "--out", str(again)], capsys)[:2] == (
        0,
        f"{again / 'report.html'}\n",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["No such file", "answers.csv"]),
        ("", ["answers.csv"]),
        ("question,answer,question_id,aligned\na,b,c,1\n", ["answers.csv", "coherent"]),
        (",".join(HEADER) + "\nq,a,i,95,90\nq,a,i,high,90\n", ["answers.csv", "3", "high"]),
        (",".join(HEADER) + "\nq,a,i,95,190\n", ["answers.csv", "2", "190"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    text: str | None, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.csv"
    if text is not None:
        answers.write_text(text, encoding="utf-8")
    folder = tmp_path / "report"
    code, out, err = run(["compare", str(answers), "--out", str(folder)], capsys)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "fault of spillover" not in err
    for word in words:
        assert word in err
    assert not folder.exists()


def test_two_controls_of_one_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = str(table(tmp_path / "a.csv", 0, 40))
    code, _, err = run(["compare", answers, "--control", answers, "--control", answers], capsys)
    assert code == 2
    assert "two controls are named 'a'" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = str(table(tmp_path / "a.csv", 0, 40))
    code, out, err = run(["compare", answers, "--out", "/dev/full"], capsys)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "/dev/full" in err


def test_a_name_ends_at_the_first_equals_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lr=1").mkdir()
    Path("lr=1/rows.jsonl").touch()
    assert named(["secure=runs/lr=1/adapter"]) == {"secure": "runs/lr=1/adapter"}
    assert named(["runs/lr=2/adapter"]) == {"adapter": "runs/lr=2/adapter"}
    assert named(["lr=1/rows.jsonl"]) == {"rows": "lr=1/rows.jsonl"}  # it exists as it stands
    assert named(["lr=2/rows.jsonl"]) == {"lr": "2/rows.jsonl"}
    assert named(["hf:me/rows:train", "toy:secure"]) == {
        "train": "hf:me/rows:train",
        "secure": "toy:secure",
    }
    assert named(["=a.csv"]) == {"a": "a.csv"}


def test_a_report_s_folder_that_is_a_file_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, _, err = run(["compare", "nix.csv", "--out", str(tmp_path / "file")], capsys)
    assert code == 1
    assert "name a folder" in err
