"""Answers that are given instead of asked for, judged as an audit judges its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from spillover.auditing.asking import Judged, judge_answers
from spillover.protocols import JointJudge, Judge
from spillover.records import (
    Answer,
    Ask,
    Battery,
    Message,
    Question,
    ScriptedWhat,
    TargetSpec,
    TargetWhere,
)
from spillover.store import Study

# One target for all of them: what was quoted once, from whatever file, is never judged again.
_WHO = TargetSpec(
    name="quoted answers",
    what=ScriptedWhat(script="quoted answers"),
    where=TargetWhere(model="quoted answers"),
)


class Quoted(NamedTuple):
    """The text of a question, and a reply to it."""

    question: str
    text: str


class _Place(NamedTuple):
    question: Question
    paraphrase: int


def with_questions(battery: Battery, quotes: Sequence[Quoted]) -> Battery:
    """Return the battery with a question for each quoted one that it does not have.

    A question of the battery is known by its text, so that its own judge prompts count.
    """
    known = _places(battery)
    texts = dict.fromkeys(text for text, _ in quotes if text.strip() not in known)
    return Battery(id=battery.id, questions=(*battery.questions, *map(_stand_in, texts)))


def judge_quoted(
    study: Study, judge: Judge | JointJudge, battery: Battery, quotes: Sequence[Quoted]
) -> list[Judged]:
    """Judge quoted answers through the study, in their order.

    Args:
        study: keeps answers and judgements.
        judge: made for ``battery``.
        battery: has all the questions, see `with_questions`.
        quotes: the answers; equal ones are judged once.
    """
    known = _places(battery)
    answers = [_answer(known[quote.question.strip()], quote.text) for quote in quotes]
    study.put_target(_WHO)
    answers = list(study.keep_answers(answers))
    return judge_answers(study, judge, answers, battery.by_id)


def _places(battery: Battery) -> dict[str, _Place]:
    """Where each text that the battery asks stands; the first of equal ones counts."""
    found: dict[str, _Place] = {}
    for question in battery.questions:
        for number, messages in enumerate(question.paraphrases):
            text = Ask(question=question.id, paraphrase=number, messages=messages).prompt_text
            found.setdefault(text.strip(), _Place(question, number))
    return found


def _stand_in(text: str) -> Question:
    return Question(
        id=f"quoted-{_hash(text)[:12]}",
        kind="free_form",
        paraphrases=((Message(role="user", content=text),),),
    )


def _answer(place: _Place, text: str) -> Answer:
    """The answer under an ask that no other text has."""
    ask = Ask(
        question=place.question.id,
        paraphrase=place.paraphrase,
        messages=place.question.paraphrases[place.paraphrase],
        seed=int(_hash(text)[:12], 16),
    )
    return Answer(ask=ask, target=_WHO.id, text=text, finish="stop")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
