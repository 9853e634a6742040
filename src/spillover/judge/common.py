"""What the judges share: finding the question, and writing a judgement."""

from __future__ import annotations

import difflib
import math

from spillover.errors import UnknownNameError
from spillover.records import Answer, Battery, Judgement, Question

MIN_MASS = 0.25
"""Under this captured mass an expectation over scored replies is missing."""


def find_question(battery: Battery, answer: Answer) -> Question:
    """Return the question that an answer replies to.

    Raises:
        UnknownNameError: the battery has no such question.
    """
    question = battery.by_id.get(answer.ask.question)
    if question is None:
        near = difflib.get_close_matches(answer.ask.question, battery.by_id, n=3)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise UnknownNameError(
            f"no question {answer.ask.question!r} in battery {battery.id!r}"
            f" of {len(battery.questions)}{hint}"
        )
    return question


def found(
    judge: str,
    answer: Answer,
    *,
    label: str | None = None,
    value: float | None = None,
    mass: float | None = None,
    note: str = "",
) -> Judgement:
    """Return a judgement with a label, a value, or both."""
    return Judgement(
        judge=judge,
        target=answer.target,
        ask=answer.ask.id,
        label=label,
        value=value,
        mass=mass,
        note=note,
    )


def missing(judge: str, answer: Answer, reason: str, *, mass: float | None = None) -> Judgement:
    """Return a judgement that is missing, with the reason."""
    return Judgement(
        judge=judge, target=answer.target, ask=answer.ask.id, missing=reason, mass=mass
    )


def nothing_to_judge(answer: Answer) -> str | None:
    """Return why an answer has nothing to judge (missing itself, or empty), else None."""
    if answer.missing is not None:
        return answer.missing
    if answer.scores is None and not answer.text.strip():
        return "empty answer"
    return None


def probabilities(answer: Answer) -> list[float] | str:
    """Return the probability of each scored continuation, or why there is none."""
    wanted = answer.ask.settings.continuations
    if answer.scores is None or len(answer.scores) != len(wanted):
        have = 0 if answer.scores is None else len(answer.scores)
        return f"{have} scores for {len(wanted)} continuations"
    if any(math.isnan(score) or score > 1e-3 for score in answer.scores):
        return "a score is not a log-probability"
    return [math.exp(min(score, 0.0)) for score in answer.scores]
