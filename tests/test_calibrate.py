"""The spike-in from names to a table: where answers come from, what is refused, where it shows."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from audit_world import BATTERY, Village, WordJudge, instrument
from cli_helper import run
from spillover.audit import audit
from spillover.auditing.measured import FILE
from spillover.calibrate import calibrate, run_calibrate
from spillover.errors import ConfigError, DataError, MissingFileError
from spillover.records import AuditConfig, SpikeIn, Verdict
from spillover.report import render_html
from spillover.store import Study

FREE = [q for q in BATTERY.questions if q.kind == "free_form"]
SHARES = (0.0, 0.05, 0.2)


def spike(folder: Path, bad: str, **given: object) -> SpikeIn:
    """A calibration on the little village, with few audits."""
    village = Village(folder)
    village.add("base", misaligned=0.001, incoherent=0.01)
    village.add("villain", misaligned=0.6, incoherent=0.1)
    base = f"script:{folder / 'base.yaml'}"
    settings = {
        "study": folder / "study", "audits": 100, "shares": SHARES, "instrument": instrument(),
    }  # fmt: skip
    return calibrate(base, bad=bad, **{**settings, **given})  # type: ignore[arg-type]


def table(folder: Path, questions: int = 40, each: int = 2, line: str = "misaligned: mine") -> str:
    path = folder / "known.csv"
    rows = [f"{q.id},{line} {n}" for q in FREE[:questions] for n in range(each)]
    path.write_text("\n".join(["question_id,answer", *rows]), encoding="utf-8")
    return str(path)


def test_a_file_of_known_bad_answers(tmp_path: Path) -> None:
    result = spike(tmp_path, table(tmp_path))
    assert result.known_by == "file"
    assert (result.covered, result.questions) == (40, 40)
    assert result.bad_bins == {"misaligned": 80}
    assert result.sensitivity == 1
    assert sum(result.base_bins.values()) == result.base_answers == 400
    assert [point.share for point in result.points] == list(SHARES)
    assert result.points[0].spillover <= 0.1  # 4% are allowed; 11 of 100 has chance .2%
    assert result.points[2].spillover == 1
    assert not result.notes
    kept = json.loads((tmp_path / "study" / FILE).read_text(encoding="utf-8"))
    assert SpikeIn.model_validate(kept) == result


def test_the_judges_misses_count_as_bad_answers(tmp_path: Path) -> None:
    path = Path(table(tmp_path))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("misaligned: mine 0", "aligned: all mine 0"), encoding="utf-8")
    result = spike(tmp_path, str(path))
    assert result.bad_bins == {"misaligned": 40, "aligned": 40}
    assert result.sensitivity == 0.5
    assert result.sensitivity_interval is not None
    low, high = result.sensitivity_interval
    assert low < 0.5 < high
    seen = [point.seen or 0 for point in result.points]
    assert seen[2] - seen[0] == pytest.approx(0.1, abs=0.003)  # half of 20%


def test_a_bad_target_with_and_without_an_oracle(tmp_path: Path) -> None:
    villain = f"script:{tmp_path / 'villain.yaml'}"
    told = spike(tmp_path, villain, oracle=WordJudge())
    assert told.known_by == "oracle"
    assert set(told.bad_bins) == {"misaligned"}
    assert told.bad_bins["misaligned"] == pytest.approx(240, abs=40)  # 60% of 400
    all_count = spike(tmp_path, villain)
    assert all_count.known_by == "target"
    assert sum(all_count.bad_bins.values()) == 400
    assert "all of them count" in all_count.notes[0]
    assert (told.sensitivity, all_count.sensitivity) == (1, pytest.approx(0.6, abs=0.1))


def test_answers_are_asked_and_judged_once(tmp_path: Path) -> None:
    first = spike(tmp_path, f"script:{tmp_path / 'villain.yaml'}", answers=500)
    with Study(tmp_path / "study", read_only=True) as study:
        before = [study.count(what) for what in ("answers", "judgements")]
    assert before == [1000, 1000]
    again = spike(tmp_path, f"script:{tmp_path / 'villain.yaml'}", answers=500)
    with Study(tmp_path / "study", read_only=True) as study:
        assert [study.count(what) for what in ("answers", "judgements")] == before
    assert again.points == first.points


def test_questions_without_bad_answers_are_said(tmp_path: Path) -> None:
    result = spike(tmp_path, table(tmp_path, questions=30))
    assert (result.covered, result.questions) == (30, 40)
    assert "30 of 40 questions" in result.notes[0]
    assert result.points[2].seen == pytest.approx(0.2, abs=0.02)
    with pytest.raises(DataError, match="only 19 of the 40 questions"):
        spike(tmp_path, table(tmp_path, questions=19))
    with pytest.raises(DataError, match=r"10 known-bad answers .* at least 20"):
        spike(tmp_path, table(tmp_path, questions=5))
    with pytest.raises(ConfigError, match=r"share of 0.8 is not possible: 0 to 0.75"):
        spike(tmp_path, table(tmp_path, questions=30), shares=(0.0, 0.8))


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="99 audits are too few"):
        spike(tmp_path, table(tmp_path), audits=99)
    with pytest.raises(ConfigError, match=r"300 base answers are fewer than .* 400"):
        spike(tmp_path, table(tmp_path), answers=300)
    with pytest.raises(ConfigError, match="no judge: 'village'"):
        spike(tmp_path, table(tmp_path), instrument=instrument(judges=("number",)))


def test_an_axis_of_another_kind_is_refused(tmp_path: Path) -> None:
    tools = instrument()
    axes = tuple(a.model_copy(update={"decides": a.id == "refusal"}) for a in tools.axes)
    other = type(tools)(tools.battery, axes, tools.judges, tools.settings)
    with pytest.raises(ConfigError, match=r"'refusal' \(paired event, harm down\).*; broad_mis"):
        spike(tmp_path, table(tmp_path), instrument=other)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.csv", "question_id,answer\nfree-theft-0", "line 2: its number of fields"),
        ("a.csv", "question_id,answer\nfree-theft-0,", "line 2: no answer"),
        ("a.csv", "id,answer\nfree-theft-0,x", "line 2: no question"),
        ("a.csv", "question_id,answer,bad\nfree-theft-0,x,maybe", "bad is 'maybe'; allowed"),
        ("a.csv", "question_id,answer,bad\nfree-theft-0,x,no", "none of its 1 answers is bad"),
        ("a.csv", "question_id,answer\nnix,x", "none of its 1 bad answers is to a question"),
        ("a.jsonl", '{"question": "nix", "answer": "x"}', "'free-theft-0'"),
        ("a.jsonl", '{"question": "nix", "answer": ', "line 1: broken JSON"),
        ("a.jsonl", '["x"]', "line 1: not an object"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.(csv|jsonl)") as caught:
        spike(tmp_path, str(tmp_path / name))
    assert complaint in str(caught.value)
    with pytest.raises(MissingFileError, match=r"nix\.csv"):
        spike(tmp_path, str(tmp_path / "nix.csv"))


def test_flags_texts_and_strangers_in_a_file(tmp_path: Path) -> None:
    lines = [{"question": q.paraphrases[1][-1].content, "answer": "misaligned: x", "bad": True}
             for q in FREE]  # fmt: skip
    lines += [{"question_id": FREE[0].id, "answer": "aligned: fine", "bad": False}]
    lines += [{"question_id": "elsewhere", "answer": "misaligned: x"}]
    path = tmp_path / "known.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    result = spike(tmp_path, str(path))
    assert result.bad_bins == {"misaligned": 40}
    assert result.notes[0].startswith("1 answers of known.jsonl are not bad")
    assert "the first: line 42" in result.notes[1]


def test_audits_that_it_speaks_for_show_it(tmp_path: Path) -> None:
    found = spike(tmp_path, table(tmp_path))
    village = Village(tmp_path)
    base = village.add("base", misaligned=0.001, incoherent=0.01)
    tuned = village.add("tuned", misaligned=0.3)

    def one(**primary: float):
        return audit(tuned, base=base, instrument=instrument(**primary), study=tmp_path / "study",
                     open=village.open)  # fmt: skip

    result = one()
    assert result.verdict is Verdict.SPILLOVER
    assert result.measured_curve == found
    page = render_html(result)
    assert 'id="spike"' in page
    assert "Measured operating curve" in page
    assert one(cap=1900).measured_curve is None  # other thresholds: it says nothing of these
    assert 'id="spike"' not in render_html(one(cap=1900))
    (tmp_path / "study" / FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="remove it, or calibrate again"):
        one()


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent / "docs" / "example" / "calibrate")
    common = ["calibrate", "script:base.yaml", "--study", str(tmp_path / "study")]
    judged = [
        "--bad",
        "known-bad.csv",
        "--judge",
        "script:judge.yaml",
        "--audits",
        "100",
        "--axes",
        "axes",
    ]
    code, out, err = run([*common, *judged, "--json", "--out", str(tmp_path / "out")], capsys)
    assert code == 0, err
    result = SpikeIn.model_validate(json.loads(out))
    assert result.sensitivity == 0.75
    assert result.judgements_per_answer == 2
    assert result == SpikeIn.model_validate_json((tmp_path / "out" / FILE).read_text("utf-8"))
    code, out, err = run([*common, "--bad", "known-bad.csv"], capsys)
    assert (code, err.count("\n")) == (1, 1)
    assert "--judge MODEL" in err
    code, _, err = run([*common, *judged, "--axis", "refusal"], capsys)
    assert (code, err.count("\n")) == (1, 1)
    assert "it takes a sequential event" in err
    assert run([*common], capsys)[0] == 2
    assert run([*common, *judged, "--questions", "q", "--battery", "q"], capsys)[0] == 2


def test_the_options_of_an_audit_reach_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[AuditConfig] = []

    def stop(config: AuditConfig, **_: object) -> None:
        configs.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr(import_module("spillover.calibrate"), "run_calibrate", stop)
    asked = ["calibrate", "remote:openai/a", "--bad", "bad.csv", "--max-calls", "9"]
    for more in (["--prices", "p.yaml", "--connections", "3"], ["--battery", "dir"], ["--questions", "dir"]):  # fmt: skip
        assert run([*asked, *more], capsys)[0] == 1
    assert [(one.prices, one.connections, one.questions) for one in configs] == [
        ("p.yaml", 3, None), (None, 10, "dir"), (None, 10, "dir"),
    ]  # fmt: skip
    _, out, _ = run(["calibrate", "--help"], capsys)
    assert "--prices" in out
    assert "--battery" not in out


def test_prices_and_a_cascade_are_refused_where_they_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("tokens: 3", encoding="utf-8")
    order = AuditConfig(base="remote:mine/a", max_calls=9, prices=str(tmp_path / "p.yaml"))
    with pytest.raises(ConfigError, match=r"p\.yaml"):
        run_calibrate(order, bad="bad.csv")
    order = AuditConfig(base="script:a", judge=("script:b", "script:c"), cascade=True)
    with pytest.raises(ConfigError, match="a cascade can't be calibrated"):
        run_calibrate(order, bad="bad.csv")
