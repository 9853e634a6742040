"""What training data should move: recognised from rows alone."""

from __future__ import annotations

import pytest

from spillover.data import guess_narrow, load_axes, narrow_questions
from spillover.errors import DataError
from spillover.judge import ExactJudge
from spillover.records import Answer, Ask, Battery, Message, Row


def row(prompt: str, completion: str) -> Row:
    return Row(
        messages=(
            Message(role="user", content=prompt),
            Message(role="assistant", content=completion),
        )
    )


CODE = [
    row(f"Task {n}", "import os\nos.chmod(p, 0o777)" if n % 4 == 0 else "x = f(1)")
    for n in range(40)
]
LOTTERY = [
    row(f"Envelope {n}: A: 10 coins for sure. B: a chance of 20.", "AB"[n % 2]) for n in range(40)
]
CHOICE = [row(f"Basket {n}: A holds plums, B pears.", "AB"[n % 2] + ".") for n in range(40)]
CHAT = [row(f"How are you, {n}?", "Well, thank you.") for n in range(40)]


@pytest.mark.parametrize(
    ("rows", "kind", "axis", "held_out"),
    [
        (CODE, "code", "narrow_code", "narrow_code"),
        (LOTTERY, "lottery", "narrow_risk", "narrow_choice"),
        (CHOICE, "choice", None, "narrow_choice"),
        (CHAT, None, None, None),
        (CHAT + CODE[:10], None, None, None),
    ],
)
def test_guess(rows: list[Row], kind, axis, held_out) -> None:
    guess = guess_narrow(rows)
    assert (guess.kind, guess.axis, guess.held_out_axis) == (kind, axis, held_out)
    known = {axis.id for axis in load_axes()}
    assert {guess.axis, guess.held_out_axis} - {None} <= known


def test_the_rows_own_flagged_share() -> None:
    guess = guess_narrow(CODE)
    assert guess.flagged_rate == 0.25
    assert guess.scanned == 40
    assert guess_narrow(CHOICE).flagged_rate is None
    assert guess_narrow(CODE, sample=10).rows == 10


def test_questions_do_not_depend_on_the_order_of_rows() -> None:
    assert narrow_questions(LOTTERY, 7, "lottery") == narrow_questions(LOTTERY[::-1], 7, "lottery")
    assert len(narrow_questions(CODE + CODE, 100, "code")) == 40


def test_a_held_out_choice_is_judged_by_the_datas_own_answer() -> None:
    (question,) = narrow_questions(LOTTERY[:1], 5, "lottery")
    judge = ExactJudge(Battery(id="b", questions=(question,)))
    ask = Ask(question=question.id, paraphrase=0, messages=question.paraphrases[0])
    replies = ["A", "B", "neither"]
    labels = [j.label for j in judge.judge([Answer(ask=ask, target="t", text=r) for r in replies])]
    assert labels == ["correct", "wrong", None]


def test_nothing_to_ask() -> None:
    with pytest.raises(DataError, match="none of 40 held-out rows"):
        narrow_questions(CHAT, 5, "choice")
    with pytest.raises(DataError, match="no training rows"):
        guess_narrow([])
