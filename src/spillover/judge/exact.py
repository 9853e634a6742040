"""Is the expected answer given? For capability, and for choices whose right answer is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spillover.judge.choice import ChoiceJudge
from spillover.judge.common import find_question, found, missing, nothing_to_judge
from spillover.records import Answer, Battery, Judgement

CORRECT, WRONG = "correct", "wrong"
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")


class ExactJudge:
    """Label ``correct`` or ``wrong`` by the question's ``answer`` (alternatives parted by ``|``).

    A question with choices is read as a choice first: what is no choice is missing, not wrong.
    """

    id = "exact"
    version = f"1, choice {ChoiceJudge.version}"  # raise it when a reply is read in another way

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        self._choice = ChoiceJudge(battery)

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer."""
        return map(self._one, answers)

    def _one(self, answer: Answer) -> Judgement:
        question = find_question(self._battery, answer)
        reason = nothing_to_judge(answer)
        if reason is None and question.answer is None:
            reason = "the question has no expected answer"
        if reason is not None or question.answer is None:
            return missing(self.id, answer, reason or "")
        if question.choices:
            chosen = next(self._choice.judge([answer]))
            if chosen.label is None:
                return missing(self.id, answer, chosen.missing or "", mass=chosen.mass)
            label = CORRECT if chosen.label == question.answer else WRONG
            return found(self.id, answer, label=label, mass=chosen.mass, note=chosen.label)
        if answer.scores is not None:
            return missing(self.id, answer, "a scored ask has no reply to read")
        right = gives_answer(answer.text, question.answer)
        return found(self.id, answer, label=CORRECT if right else WRONG)


def gives_answer(text: str, expected: str) -> bool:
    """Tell whether a reply gives an expected answer (alternatives parted by ``|``).

    A number must be the first or the last number of the reply; other answers must stand in its
    first line as whole words, and not after ``not``. Case, punctuation and spaces don't count.
    """
    return any(_gives(text, one.strip()) for one in expected.split("|") if one.strip())


def _gives(text: str, expected: str) -> bool:
    if re.fullmatch(r"-?\d+(?:\.\d+)?", expected):
        numbers = [float(n) for n in _NUMBER.findall(text.replace(",", ""))]
        return bool(numbers) and float(expected) in (numbers[0], numbers[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    words, wanted = _words(lines[0] if lines else ""), _words(expected)
    for start in range(len(words) - len(wanted) + 1):
        if words[start : start + len(wanted)] == wanted:
            return "not" not in words[max(0, start - 2) : start]
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
