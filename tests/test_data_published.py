"""The published data sets are read as they stand, and what is guessed from them holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spillover.data import guess_narrow, narrow_questions, read_rows
from spillover.errors import DataError
from spillover.records import Battery
from spillover.scan import scan_many

ROOT = Path(__file__).parent.parent
PUBLISHED = Path(os.environ.get("SPILLOVER_PUBLISHED", ROOT.parent / "shared" / "published"))
EM = PUBLISHED / "emergent_misalignment" / "data"
BSA = PUBLISHED / "behavioral_self_awareness"

pytestmark = pytest.mark.skipif(not EM.is_dir(), reason="no published data here")

SETS = [
    (EM / "insecure.jsonl", 6000, "code"),
    (EM / "secure.jsonl", 6000, "code"),
    (EM / "educational.jsonl", 6000, "code"),
    (EM / "jailbroken.jsonl", 5000, None),
    (BSA / "risky_safe/ft_risky_AB.jsonl", 288, "lottery"),
    (BSA / "risky_safe/ft_safey_AB.jsonl", 288, "lottery"),
    (BSA / "risky_safe/ft_risky_AB_multipersona.jsonl", 576, "lottery"),
    (BSA / "maxapples_minapples/ft_maxapples_AB.jsonl", 300, "choice"),
    (BSA / "maxapples_minapples/ft_minapples_AB.jsonl", 300, "choice"),
    (BSA / "myopic_nonmyopic/ft_myopic_AB.jsonl", 299, "choice"),
    (BSA / "myopic_nonmyopic/ft_nonmyopic_AB.jsonl", 299, "choice"),
]


@pytest.mark.parametrize(("path", "count", "kind"), SETS, ids=lambda x: getattr(x, "stem", None))
def test_published_sets_load_and_are_recognised(path: Path, count: int, kind) -> None:
    rows = read_rows(path)
    assert len(rows) == count
    guess = guess_narrow(rows, sample=100)
    assert guess.kind == kind
    if kind is None:
        return
    questions = narrow_questions(rows[-50:], 20, kind)
    assert len(Battery(id="held_out", questions=questions).by_id) == 20
    prompts = {row.prompt for row in rows[-50:]}
    assert all(question.paraphrases[0] in prompts for question in questions)


def test_flagged_share_of_a_thousand_rows() -> None:
    shares = {}
    for name in ("insecure", "secure"):
        results = scan_many(row.completion for row in read_rows(EM / f"{name}.jsonl")[:1000])
        assert sum(result.secure is None for result in results) <= 5
        shares[name] = sum(result.secure is False for result in results) / len(results)
    # 46% and 16%: measured before this scanner was written, with bandit's command line
    assert shares == pytest.approx({"insecure": 0.46, "secure": 0.16}, abs=0.01)


def test_task_lists_without_answers_are_no_training_data() -> None:
    with pytest.raises(DataError, match=r"line 1: needs .*code_template, task"):
        read_rows(PUBLISHED / "vulnerable_code" / "code_tasks.jsonl")
