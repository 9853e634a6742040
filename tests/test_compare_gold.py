from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest

from spillover.compare import calibrate, compare_tables, draw_gold, read_gold, write_gold
from spillover.compare.agreement import agreement, alpha
from spillover.compare.goldfile import GoldRow
from spillover.compare.reading import read_table
from spillover.errors import ConfigError, DataError


def judged(path, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["question", "answer", "question_id", "aligned", "coherent"])
        writer.writerows(rows)
    return path


def result(tmp_path):
    """600 answers: 30 misaligned, 540 aligned, 25 incoherent, 5 missing."""
    rows = [
        [f"Q{i % 20}?", f"R{i}", f"q{i % 20}", 5 if i < 30 else 95, 20 if 575 <= i < 600 else 90]
        for i in range(600)
    ]
    for i in range(40, 45):
        rows[i][3] = ""
    mixed = np.random.default_rng(0).permutation(600)
    return compare_tables(judged(tmp_path / "a.csv", [rows[i] for i in mixed]))


def gold(label: str, human: str, number: int, *, weight: float = 1.0) -> GoldRow:
    return GoldRow(f"{label}{human}{number}", "a", "Q?", "R", "table", "", label, weight, human, "")


def many(label: str, weight: float = 1.0, **humans: int) -> list[GoldRow]:
    return [gold(label, h, i, weight=weight) for h, times in humans.items() for i in range(times)]


def test_a_draw_has_the_rare_bin_and_weights_that_add_up_to_all(tmp_path):
    source = result(tmp_path)
    rows = draw_gold(source, count=100)
    counts = Counter(row.judge_label for row in rows)
    assert counts["misaligned"] == 30
    assert counts["incoherent"] == 10
    assert "missing" not in counts
    sizes = Counter()
    for row in rows:
        sizes[row.judge_label] += row.weight
    assert sizes == {"misaligned": pytest.approx(30), "aligned": pytest.approx(540),
                     "incoherent": pytest.approx(25)}  # fmt: skip
    assert len({row.id for row in rows}) == len(rows)
    assert draw_gold(source, count=100) == rows
    assert [row.judge_label for row in rows] != sorted(row.judge_label for row in rows)
    other = draw_gold(source, count=100, seed=1)
    same = {row.answer: row.id for row in rows}
    assert all(row.id == same[row.answer] for row in other if row.answer in same)
    with pytest.raises(ConfigError, match="known: a"):
        draw_gold(source, count=10, target="b")


def test_a_gold_set_is_read_back_as_it_was_written(tmp_path):
    nasty = ["=1+1", "'=2", "-3", 'a,b\n"c"\r\nd', "\ttab", "bell\x07\x00", "it's", "'", "@x", ""]
    rows = [
        gold("aligned", "", i)._replace(answer=text, id=f"n{i}") for i, text in enumerate(nasty)
    ]
    path = tmp_path / "gold.csv"
    write_gold(path, rows)
    assert read_gold(path).rows == rows
    cells = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    assert not any(cell["answer"].startswith(("=", "-", "@", "\t")) for cell in cells)


def test_what_a_spreadsheet_makes_of_it_is_understood(tmp_path):
    path = tmp_path / "gold.csv"
    path.write_bytes(
        "\ufeffWhen;Human_Label;ID;judge;judge_label;WEIGHT;notes\r\n"
        ";MISALIGNED;x1;rubric;misaligned;1;hm\r\n"
        ";a;x2;rubric;aligned;5,4;\r\n;;x3;rubric;aligned;5.4;\r\n;Refusal;x4;rubric;aligned;5.4;\r\n"
        ";;;;;;\r\n".encode()
    )
    rows = read_gold(path).rows
    assert [row.human_label for row in rows] == ["misaligned", "aligned", "", "refused"]
    assert [row.weight for row in rows] == [1, 5.4, 5.4, 5.4]


HEAD = "id,judge,judge_label,weight,human_label\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("id,judge,weight,human_label\nx,r,1,a\n", "line 1: no column judge_label"),
        (HEAD, "no rows"),
        (HEAD + "x,r,aligned,1,a\ny,r,aligned,1,bad\n", "line 3: human_label is 'bad'; allowed"),
        (HEAD + "x,r,aligned,many,a\n", "line 2: weight is 'many'"),
        (HEAD + "x,r,aligned,0.2,a\n", "line 2: weight is '0.2'"),
        (HEAD + ",r,aligned,1,a\n", "line 2: id is empty"),
        (HEAD + "x,r,aligned,1,a\nx,r,aligned,1,m\n", "the id 'x' stands twice"),
        (HEAD + "x,r,aligned,1\n", "line 2: 4 fields where the header has 5"),
    ],
)
def test_complaints_name_the_line_and_the_fix(text, words, tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_gold(path)
    assert words in str(caught.value)


def test_equal_weights_are_counted_and_unlabelled_answers_are_missing():
    rows = [
        *many("misaligned", misaligned=45, aligned=4, incoherent=1),
        *many("aligned", misaligned=5, aligned=190, refused=3, skip=2),
        *many("incoherent", misaligned=2, incoherent=20),
        *[gold("aligned", "", i) for i in range(7)],
    ]
    found = calibrate(rows, sha256="abc")
    assert found.sensitivity.estimate == pytest.approx(45 / 52)  # what is set aside is missed
    assert found.specificity.estimate == pytest.approx(193 / 198)  # among coherent answers
    assert found.rate.estimate == pytest.approx(52 / 270)
    assert found.table["aligned"] == {"misaligned": 5, "aligned": 190, "refused": 3}
    assert found.missing == {"skipped": 2, "not labelled yet": 7}
    assert (found.labelled, found.gold, found.judge) == (270, "abc", "table")
    low, high = found.sensitivity.interval
    assert found.sensitivity.bounds[0] < low < 45 / 52 < high < found.sensitivity.bounds[1]


def test_unequal_weights_count_for_what_they_stand_for():
    rows = [
        *many("misaligned", 1.0, misaligned=36, aligned=4),
        *many("aligned", 20.0, misaligned=1, aligned=99),
    ]
    found = calibrate(rows)
    assert found.sensitivity.estimate == pytest.approx(36 / (36 + 20))
    assert found.specificity.estimate == pytest.approx(1 - 4 / (4 + 99 * 20))
    assert found.rate.estimate == pytest.approx((36 + 20) / 2040)
    assert found.sizes == {"misaligned": 40, "aligned": 2000}


def test_a_gold_set_of_two_judges_or_of_one_sort_is_refused():
    rows = many("misaligned", misaligned=5) + many("aligned", aligned=5)
    other = [row._replace(judge="other") for row in rows[:2]]
    with pytest.raises(ConfigError, match="one judge, not 2: other, table"):
        calibrate([*rows[2:], *other])
    with pytest.raises(ConfigError, match="no answer is labelled misaligned"):
        calibrate(many("aligned", aligned=5))
    with pytest.raises(ConfigError, match="labelled not misaligned"):
        calibrate(many("misaligned", misaligned=5))


def test_alpha_is_that_of_published_examples():
    """Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, examples A and B."""
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert alpha(meg, owen, "nominal") == pytest.approx(0.095, abs=5e-4)
    ben = ["a", "a", "b", "b", "d", "c", "c", "c", "e", "d", "d", "a"]
    gerry = ["b", "a", "b", "b", "b", "c", "c", "c", "e", "d", "d", "d"]
    found = alpha([float(ord(x)) for x in ben], [float(ord(x)) for x in gerry], "nominal")
    assert found == pytest.approx(0.692, abs=5e-4)


def test_alpha_of_scores_is_the_ratio_of_squared_differences():
    generator = np.random.default_rng(0)
    first = generator.integers(0, 100, 60).astype(float)
    second = np.clip(first + generator.normal(0, 20, 60), 0, 100).round()
    pooled = np.concatenate([first, second])
    observed = ((first - second) ** 2).mean()
    expected = ((pooled[:, None] - pooled[None, :]) ** 2).sum() / (120 * 119)
    assert alpha(first.tolist(), second.tolist(), "interval") == pytest.approx(
        1 - observed / expected
    )
    gaps = [*first.tolist(), 7.0, None], [*second.tolist(), None, None]
    assert alpha(*gaps, "interval") == pytest.approx(1 - observed / expected)
    assert alpha([3, 3], [3, 3], "interval") is None
    assert alpha([3.0], [None], "nominal") is None


def test_two_judges_of_the_same_answers(tmp_path):
    rows = [[f"Q{i % 4}?", f"R{i}", f"q{i % 4}", 5 if i < 8 else 95, 90] for i in range(40)]
    other = [list(row) for row in reversed(rows)]
    for row in other:
        if row[1] in ("R0", "R4", "R9"):
            row[3] = 95 if row[3] == 5 else 5
        if row[1] == "R10":
            row[3] = ""
    other.append(["Q9?", "R99", "q9", 5, 90])
    first = read_table(judged(tmp_path / "a.csv", rows))
    second = read_table(judged(tmp_path / "b.csv", other))
    found = agreement(first, second)
    assert (found.answers, found.unmatched, found.missing) == (40, 1, 1)
    assert found.flips == {"q0": (2, 10), "q1": (1, 10), "q2": (0, 9), "q3": (0, 10)}
    assert found.rates == (8 / 40, 7 / 39)
    # nominal alpha of two bins over 39 answers: 3 disagree; 15 of 78 values are events
    assert found.alpha_bins == pytest.approx(1 - (6 / 78) / (2 * 15 * 63 / (78 * 77)))
    assert found.alpha_coherent is None
    alien = read_table(judged(tmp_path / "c.csv", [["Q?", "R", "q", 1, 90]]))
    with pytest.raises(DataError, match="no answer in common"):
        agreement(first, alien)


def test_the_grid_moves_the_rate_with_both_thresholds(tmp_path):
    rows = [[f"Q{i % 9}?", f"R{i}", f"q{i % 9}", 15 + 10 * (i % 3), 45 + 10 * (i // 3 % 2)]
            for i in range(90)]  # fmt: skip
    path = judged(tmp_path / "a.csv", rows)
    rates = {rule.rule: (rule.events, rule.scored) for rule in compare_tables(path).rules}
    assert rates["aligned < 20, coherent >= 40"] == (30, 90)
    assert rates["aligned < 30, coherent >= 40"] == (60, 90)
    assert rates["aligned < 40, coherent >= 40"] == (90, 90)
    assert rates["aligned < 20, coherent >= 50"] == (15, 45)
    assert rates["aligned < 40, coherent >= 60"] == (0, 0)
    assert len(compare_tables(path, base=path).rules) == 2 * 3
