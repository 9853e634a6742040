"""Rates by a judge and by labels by hand of a target's own answers."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest

from spillover.compare import calibrate, compare_tables, draw_gold, with_powered
from spillover.compare.goldfile import GoldRow
from spillover.records import HandLabel
from spillover.report.terminal import summary_lines

RATE, HITS, FALSE_ALARMS = 0.15, 0.7, 0.05


def table(path, *, seed, rows=800):
    """A judged table whose answers say what is true of them."""
    generator = np.random.default_rng(seed)
    truth = generator.random(rows) < RATE
    called = generator.random(rows) < np.where(truth, HITS, FALSE_ALARMS)
    coherent = generator.random(rows) < 0.9
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["question", "answer", "question_id", "aligned", "coherent"])
        for i in range(rows):
            text = f"{'bad' if truth[i] else 'good'} {i}"
            scores = (5 if called[i] else 95, 90 if coherent[i] else 20)
            writer.writerow([f"Q{i % 20}?", text, f"q{i % 20}", *scores])
    return path, float(truth[coherent].mean())


def by_hand(rows: list[GoldRow], *, skip=0) -> list[GoldRow]:
    said = [
        row._replace(human_label="misaligned" if row.answer.startswith("bad") else "aligned")
        for row in rows
    ]
    return [row._replace(human_label="skip") for row in said[:skip]] + said[skip:]


def test_labels_of_its_own_answers_undo_a_judge_that_errs(tmp_path):
    answers, truth = table(tmp_path / "a.csv", seed=1)
    base, base_truth = table(tmp_path / "base.csv", seed=2)
    plain = compare_tables(answers, base=base)
    rows = by_hand(draw_gold(plain, count=400))
    found = compare_tables(answers, base=base, calibration=calibrate(rows))
    for name, rate in (("a", truth), ("base", base_truth)):
        level = found.targets[name].axes[found.headline_axis]
        assert level.powered is not None
        assert level.powered_interval is not None
        low, high = level.powered_interval
        assert low < rate < high
        assert high - low < 0.15
        assert level.powered_labels > 100
        assert level.estimate == plain.targets[name].axes[found.headline_axis].estimate
    mine = found.targets["a"].axes[found.headline_axis]
    # by hand: the judge's mean over all, and what it errs by, each label for its like
    answers_ = [s for s in found.answers if s.target == "a" and s.bin in ("misaligned", "aligned")]
    weight = {row.answer: row.weight for row in rows if row.target == "a"}
    errs = [
        (weight[s.text], s.text.startswith("bad") - (s.bin == "misaligned"))
        for s in answers_
        if s.text in weight
    ]
    mean = sum(s.bin == "misaligned" for s in answers_) / len(answers_)
    mean += sum(w * e for w, e in errs) / sum(w for w, _ in errs)
    assert mine.powered == pytest.approx(mean)
    assert mine.powered_labels == len(errs)
    assert f"{mine.powered_labels} labels by hand (prediction-powered)" in "\n".join(
        summary_lines(found)
    )


def test_labels_left_out_raise_the_weights_of_their_like(tmp_path):
    answers, _ = table(tmp_path / "a.csv", seed=1)
    rows = draw_gold(compare_tables(answers), count=200)
    known = calibrate(by_hand(rows, skip=50))
    assert len(known.labels) == 150
    assert sum(one.weight for one in known.labels.values()) == pytest.approx(
        sum(row.weight for row in rows)
    )


def test_without_labels_of_a_targets_own_answers_a_note_says_so(tmp_path):
    answers, _ = table(tmp_path / "a.csv", seed=1)
    other, _ = table(tmp_path / "b.csv", seed=2)
    known = calibrate(by_hand(draw_gold(compare_tables(other), count=200)))
    found = compare_tables(answers, calibration=known)
    assert found.targets["a"].axes[found.headline_axis].powered is None
    assert (
        "No prediction-powered rate of a: no answer of theirs is labelled by hand." in found.notes
    )
    both = by_hand(draw_gold(compare_tables(answers, base=other), count=300))
    mine = [row for row in both if row.target == "a" and row.judge_label == "aligned"][:7]
    few = calibrate([row for row in both if row.target != "a"] + mine)
    found = compare_tables(answers, base=other, calibration=few)
    assert found.targets["base"].axes[found.headline_axis].powered is not None
    assert found.targets["a"].axes[found.headline_axis].powered is None
    assert any(note.endswith("or none of the rest: a 7.") for note in found.notes)


def test_without_ppi_python_a_note_names_the_extra(tmp_path, monkeypatch):
    answers, _ = table(tmp_path / "a.csv", seed=1)
    known = calibrate(by_hand(draw_gold(compare_tables(answers), count=100)))
    monkeypatch.setitem(sys.modules, "ppi_py", None)
    found = compare_tables(answers, calibration=known)
    assert found.targets["a"].axes[found.headline_axis].powered is None
    assert (
        "Prediction-powered rates need ppi-python: pip install 'spillover[calibration]'."
        in found.notes
    )


def test_few_labels_of_rare_events_leave_room_for_what_they_missed(tmp_path):
    """A judge that misses two of three events, and labels that mostly hold none."""
    held = 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        truth = generator.random(600) < 0.02
        called = generator.random(600) < np.where(truth, 0.3, 0.0)
        with (path := tmp_path / f"{seed}.csv").open("w", encoding="utf-8") as stream:
            stream.write("question,answer,question_id,aligned,coherent\n")
            for i in range(600):
                text = f"{'bad' if truth[i] else 'good'} {i}"
                stream.write(f"Q{i % 20}?,{text},q{i % 20},{5 if called[i] else 95},90\n")
        plain = compare_tables(path)
        rows = by_hand(draw_gold(plain, count=60))
        if not any(row.human_label == "misaligned" for row in rows):
            rows = [*rows, rows[0]._replace(id="x", judge_label="misaligned", weight=1.0,
                                            human_label="misaligned")]  # fmt: skip
        level = with_powered(
            plain.model_copy(update={"calibration": calibrate(rows)})
        ).targets[str(seed)].axes[plain.headline_axis]  # fmt: skip
        if level.powered_interval is None:  # nothing that the judge calls so is labelled
            held += 1
            continue
        low, high = level.powered_interval
        assert high - low > 0.02
        held += low <= 0.02 <= high
    assert held >= 28


def test_a_calibration_without_labels_is_told_from_one_of_other_answers(tmp_path):
    answers, _ = table(tmp_path / "a.csv", seed=1)
    known = calibrate(by_hand(draw_gold(compare_tables(answers), count=100)))
    found = compare_tables(answers, calibration=known.model_copy(update={"labels": {}}))
    assert any("keeps no labels" in note for note in found.notes)


def test_labels_of_another_model_with_the_same_name_are_not_its_own(tmp_path):
    """Answers that repeat word for word: half of the other's texts were labelled, none of its own."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    known = tmp_path / "one" / "tuned.csv"
    other = tmp_path / "two" / "tuned.csv"
    head = "question,answer,question_id,aligned,coherent\n"
    known.write_text(head + "Q?,good,q,95,90\n" * 320 + "Q?,bad,q,5,90\n" * 80)
    other.write_text(
        head + "Q?,good,q,95,90\n" * 160 + "Q?,bad,q,5,90\n" * 80 + "Q?,bad sly,q,95,90\n" * 160
    )
    calibration = calibrate(by_hand(draw_gold(compare_tables(known), count=300)))
    own = compare_tables(known, calibration=calibration)
    assert own.targets["tuned"].axes[own.headline_axis].powered == pytest.approx(0.2)
    found = compare_tables(other, calibration=calibration)
    assert found.targets["tuned"].axes[found.headline_axis].powered is None
    assert any("labelled under that name it did not give" in note for note in found.notes)


@pytest.mark.parametrize("changed", [{"label": "nice"}, {"weight": -1.0}, {"weight": float("nan")}])
def test_a_label_that_is_none_is_refused(changed):
    good = {"target": "a", "label": "aligned", "weight": 2.0}
    assert HandLabel.model_validate(good).weight == 2
    with pytest.raises(ValueError, match=next(iter(changed))):
        HandLabel.model_validate({**good, **changed})
