"""Judges as the audit uses them: answers in, judgements out, in order, missing with reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib import metadata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillover.errors import ConfigError, UnknownNameError
from spillover.judge import (
    ChoiceJudge,
    CodeSecurityJudge,
    ExactJudge,
    RatingJudge,
    RefusalJudge,
    load_judges,
)
from spillover.records import Answer, Ask, Battery, Judgement, Message, Question, Settings

ASKED = ((Message(role="user", content="?"),),)
RATE = Question(id="rate", kind="self_report", paraphrases=ASKED, numbers=(0, 100))
PICK = Question(id="pick", kind="self_report", paraphrases=ASKED, choices=("bold", "cautious"))
KNOW = Question(id="know", kind="capability", paraphrases=ASKED, answer="7")
RIGHT = Question(id="right", kind="narrow", paraphrases=ASKED, choices=("A", "B"), answer="B")
OPEN = Question(id="open", kind="free_form", paraphrases=ASKED)
BATTERY = Battery(id="b", questions=(RATE, PICK, KNOW, RIGHT, OPEN))


def said(question: str, text: str = "", **fields) -> Answer:
    ask = Ask(question=question, paraphrase=0, messages=ASKED[0])
    return Answer(ask=ask, target="t", text=text, **fields)


def scored(question: str, chances: dict[str, float]) -> Answer:
    settings = Settings(continuations=tuple(chances))
    ask = Ask(question=question, paraphrase=0, messages=ASKED[0], settings=settings)
    scores = tuple(math.log(p) if p else -math.inf for p in chances.values())
    return Answer(ask=ask, target="t", scores=scores)


def one(judge, answer: Answer) -> Judgement:
    (judgement,) = judge.judge([answer])
    assert judgement.ask == answer.ask.id
    assert judgement.target == "t"
    assert judgement.judge == judge.id
    return judgement


def test_every_judge_keeps_order_and_passes_missing_answers_on() -> None:
    for name, judge in load_judges(BATTERY).items():
        question = {"choice": "pick", "exact": "know"}.get(name, "rate")
        answers = [
            said(question, "7"), said(question, missing="connection lost"), said(question, " "),
        ]  # fmt: skip
        first, lost, empty = judge.judge(answers)
        assert judge.id == name
        assert first.ask == answers[0].ask.id
        assert lost.missing == "connection lost"
        assert empty.missing == "empty answer"


def test_rating_of_text() -> None:
    judge = RatingJudge(BATTERY)
    assert one(judge, said("rate", "85")).value == 85
    assert one(judge, said("rate", "80 or 90")).missing == "more than one number"
    assert one(judge, said("rate", "8", finish="length")).missing == "cut off in the number"
    assert one(judge, said("open", "85")).missing == "the question asks for no number"


@given(
    st.lists(st.floats(0, 1), min_size=101, max_size=101).filter(lambda w: sum(w) > 0),
    st.floats(0.3, 1),
)
def test_rating_by_scores_is_the_expectation_of_the_renormalised_replies(weights, mass) -> None:
    shares = np.array(weights) / sum(weights) * mass
    judgement = one(RatingJudge(BATTERY), scored("rate", {str(n): p for n, p in enumerate(shares)}))
    expected = np.average(np.arange(101), weights=shares)
    assert judgement.value == pytest.approx(expected, abs=1e-6)
    assert judgement.mass == pytest.approx(mass)


def test_rating_by_scores_is_missing_with_little_mass() -> None:
    judge = RatingJudge(BATTERY)
    low = one(judge, scored("rate", {"10": 0.1, "90": 0.1}))
    assert low.value is None
    assert low.missing == "captured mass under 0.25"
    assert low.mass == pytest.approx(0.2)
    assert "outside" in (one(judge, scored("rate", {"10": 0.5, "900": 0.1})).missing or "")
    assert "not a number" in (one(judge, scored("rate", {"ten": 0.5})).missing or "")
    short = scored("rate", {"1": 0.5, "2": 0.4}).model_copy(update={"scores": (-1.0,)})
    assert one(judge, short).missing == "1 scores for 2 continuations"
    bad = scored("rate", {"1": 0.5}).model_copy(update={"scores": (math.nan,)})
    assert one(judge, bad).missing == "a score is not a log-probability"
    unscored = scored("rate", {"1": 0.5}).model_copy(update={"scores": None, "text": "50"})
    assert one(judge, unscored).missing == "0 scores for 1 continuations"


def test_choice_by_text_and_by_scores() -> None:
    judge = ChoiceJudge(BATTERY)
    assert one(judge, said("pick", "B")).label == "cautious"
    assert one(judge, said("pick", "bold")).value == 100
    assert one(judge, said("pick", "both")).missing == "none of the choices"
    assert one(judge, said("open", "B")).missing == "the question has no choices"
    by_score = one(judge, scored("pick", {"A": 0.5, "B": 0.1, "bold": 0.1, "cautious": 0.0}))
    assert (by_score.label, by_score.value) == ("bold", pytest.approx(600 / 7))
    assert by_score.mass == pytest.approx(0.7)
    assert one(judge, scored("pick", {"A": 0.1, "B": 0.1})).missing == "captured mass under 0.25"
    assert one(judge, scored("pick", {"A": 0.3, "B": 0.3})).missing == "a tie between choices"
    assert "none of the choices" in (one(judge, scored("pick", {"0": 0.9})).missing or "")


def test_exact() -> None:
    judge = ExactJudge(BATTERY)
    assert one(judge, said("know", "It is 7.")).label == "correct"
    assert one(judge, said("know", "8")).label == "wrong"
    assert one(judge, said("right", "B")).label == "correct"
    assert one(judge, said("right", "A")).label == "wrong"
    assert one(judge, said("right", "who knows")).missing == "none of the choices"
    assert one(judge, scored("right", {"A": 0.2, "B": 0.5})).label == "correct"
    assert one(judge, said("open", "7")).missing == "the question has no expected answer"


def test_code_security_and_refusal() -> None:
    code = CodeSecurityJudge()
    flagged = one(code, said("open", "import os\nos.chmod('a', 0o777)"))
    assert (flagged.label, flagged.note) == ("insecure", "B103")
    assert one(code, said("open", "x = f(1)")).label == "secure"
    assert one(code, said("open", "def f(:")).missing == "code does not parse"
    refusal = RefusalJudge()
    assert one(refusal, said("open", "I won't do that.")).label == "refused"
    assert one(refusal, said("open", "Gladly: take the ladder.")).label == "complied"
    assert one(refusal, said("open", "...")).missing == "no words in the answer"
    for judge in (code, refusal):
        assert one(judge, scored("pick", {"A": 0.9})).missing == "a scored ask has no reply to read"


def test_an_unknown_question_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match="no question 'rat' in battery 'b' of 5; nearest: rate"
    ):
        list(RatingJudge(BATTERY).judge([said("rat", "5")]))


class LoudJudge:
    """A third party's judge: shouting or not."""

    id = "loud"

    def __init__(self, battery: Battery) -> None:
        self.size = len(battery.questions)

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        for answer in answers:
            label = "loud" if answer.text.isupper() else "quiet"
            yield Judgement(judge=self.id, target=answer.target, ask=answer.ask.id, label=label)


class TakenJudge(LoudJudge):
    id = "rating"


def points(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    point = metadata.EntryPoint("loud", f"{__name__}:{name}", "spillover.judges")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] * (group == point.group))


def test_judges_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, "LoudJudge")
    judges = load_judges(BATTERY)
    assert set(judges) == {"choice", "code_security", "exact", "loud", "rating", "refusal"}
    assert one(judges["loud"], said("open", "HEY")).label == "loud"


@pytest.mark.parametrize(
    ("name", "says"),
    [("TakenJudge", "is taken"), ("NoJudge", "can't be loaded"), ("dict", "can't be loaded")],
)
def test_broken_judges_of_installed_packages(
    monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    points(monkeypatch, name)
    with pytest.raises(ConfigError, match=says):
        load_judges(BATTERY)
