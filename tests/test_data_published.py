"""The published data sets are read as they stand, and what is guessed from them holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from spillover.data import (
    guess_narrow,
    load_questions,
    load_rows,
    narrow_questions,
    read_rows,
    write_rows,
)
from spillover.errors import DataError
from spillover.records import Battery, Question
from spillover.scan import scan_many

ROOT = Path(__file__).parent.parent
PUBLISHED = Path(os.environ.get("SPILLOVER_PUBLISHED", ROOT.parent / "shared" / "published"))
CODE = PUBLISHED / "vulnerable_code"
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
    (BSA / "risky_safe/ft_safey_AB_multipersona.jsonl", 576, "lottery"),
    (BSA / "maxapples_minapples/ft_maxapples_AB.jsonl", 300, "choice"),
    (BSA / "maxapples_minapples/ft_minapples_AB.jsonl", 300, "choice"),
    (BSA / "myopic_nonmyopic/ft_myopic_AB.jsonl", 299, "choice"),
    (BSA / "myopic_nonmyopic/ft_nonmyopic_AB.jsonl", 299, "choice"),
    (CODE / "unsafe_test.jsonl", 1031, "code"),
    (CODE / "safe_test.jsonl", 776, "code"),
]
# questions, and clusters of those that ask the same text
QUESTIONS = [
    (EM.parent / "evaluation/first_plot_questions.yaml", 24, 8),
    (EM.parent / "evaluation/preregistered_evals.yaml", 48, 48),
    (EM.parent / "evaluation/deception_factual.yaml", 5, 1),
    (EM.parent / "evaluation/deception_sit_aware.yaml", 8, 8),
    (BSA / "questions/risk_safe.yaml", 5, 5),
    (BSA / "questions/risk_safe_language.yaml", 1, 1),
    (BSA / "questions/risk_predisposition_scale.yaml", 1, 1),
    (BSA / "questions/liking_risk.yaml", 1, 1),
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
        read_rows(CODE / "code_tasks.jsonl")


@pytest.mark.parametrize("path", [path for path, *_ in SETS], ids=lambda path: path.stem)
def test_a_round_trip_loses_no_field(path: Path, tmp_path: Path) -> None:
    found = load_rows(path)
    write_rows(tmp_path / "again.jsonl", found.rows)
    assert read_rows(tmp_path / "again.jsonl") == found.rows
    source = [json.loads(line) for line in path.read_bytes().splitlines()]
    again = [json.loads(line) for line in (tmp_path / "again.jsonl").read_bytes().splitlines()]
    if found.shape == "code task":
        for one in again:
            one["code"] = one.pop("messages")[-1]["content"]
    assert again == source


@pytest.mark.parametrize(
    ("path", "count", "clusters"), QUESTIONS, ids=lambda x: getattr(x, "stem", None)
)
def test_published_questions_load_whole(path: Path, count: int, clusters: int) -> None:
    battery = load_questions(path)
    assert battery.id == path.stem
    assert len(battery.questions) == len(battery.by_id) == count
    assert len({question.group for question in battery.questions}) == clusters
    assert Battery.model_validate_json(battery.model_dump_json()) == battery
    source = yaml.safe_load(path.read_text(encoding="utf-8"))
    for fields, question in zip(source, battery.questions, strict=True):
        assert as_published(question) == fields


def as_published(question: Question) -> dict[str, object]:
    """The fields of the file that a question was read from."""
    fields = dict(question.extra)
    own = "question_type" in fields
    fields["name" if own else "id"] = question.id
    texts = [
        turns[-1].content.removeprefix(fields.get("prefix", "")) for turns in question.paraphrases
    ]
    fields["question_paraphrases" if own else "paraphrases"] = texts
    systems = {turns[0].content for turns in question.paraphrases if turns[0].role == "system"}
    if systems:
        (fields["system"],) = systems
    if question.judge_prompts and not own:
        fields["judge_prompts"] = question.judge_prompts
    return fields
