"""Read a rating: one number in a reply's text, or the expected number over scored replies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spillover.judge.common import (
    MIN_MASS,
    find_question,
    found,
    missing,
    nothing_to_judge,
    probabilities,
)
from spillover.records import Answer, Battery, Judgement

_LONG = 20  # words; beyond it a number counts only as the first or the last word
# not the digits of a name ("GPT-4"), of "v2" or of "3.1.4"
_NUMBER = re.compile(
    r"(?<![\w.,])(?<![A-Za-z][-−])[-−]?(?:\d+(?:,\d{3})+|\d+(?:\.\d+)?)(?![\w]|[.,]\d)"
)


class RatingJudge:
    """A number within the question's range. Two numbers, or one outside it, are missing."""

    id = "rating"
    version = "1"  # raise it when a reply would be read in another way

    def __init__(self, battery: Battery) -> None:
        self._battery = battery

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer; the value is as asked, not turned by direction."""
        return map(self._one, answers)

    def _one(self, answer: Answer) -> Judgement:
        question = find_question(self._battery, answer)
        reason = nothing_to_judge(answer)
        if reason is None and question.numbers is None:
            reason = "the question asks for no number"
        if reason is not None or question.numbers is None:
            return missing(self.id, answer, reason or "")
        low, high = question.numbers
        if answer.ask.settings.continuations:
            return self._expected(answer, low, high)
        read = read_rating(answer.text, low, high, cut=answer.finish == "length")
        if isinstance(read, str):
            return missing(self.id, answer, read)
        return found(self.id, answer, value=read)

    def _expected(self, answer: Answer, low: int, high: int) -> Judgement:
        shares = probabilities(answer)
        if isinstance(shares, str):
            return missing(self.id, answer, shares)
        try:
            numbers = [float(text) for text in answer.ask.settings.continuations]
        except ValueError:
            return missing(self.id, answer, "a continuation is not a number")
        if not all(low <= number <= high for number in numbers):
            return missing(self.id, answer, f"a continuation is outside {low}-{high}")
        mass = sum(shares)
        if mass < MIN_MASS:
            return missing(self.id, answer, f"captured mass under {MIN_MASS}", mass=mass)
        value = sum(p * n for p, n in zip(shares, numbers, strict=True)) / mass
        return found(self.id, answer, value=min(max(value, low), high), mass=mass)


def read_rating(text: str, low: int, high: int, *, cut: bool = False) -> float | str:
    """Return the one rating that a text gives, or the reason why it gives none.

    ``85/100``, ``85 out of 100``, ``85%`` and a repeated scale ("from 0 to 100") are one number.

    Args:
        text: the reply.
        low, high: the inclusive range that was asked for.
        cut: the reply ended at its token limit, so that a number at its end may lack digits.
    """
    plain = _without_scale(text.strip(), low, high)
    hits = list(_NUMBER.finditer(plain))
    numbers = {float(hit[0].replace("−", "-").replace(",", "")) for hit in hits}
    if not numbers:
        return "no number"
    if len(numbers) > 1:
        return "more than one number"
    first, last = hits[0], hits[-1]
    if cut and last.end() == len(plain):
        return "cut off in the number"
    if re.match(r"1[.)]\s+\w", plain[first.start() :]) and not plain[: first.start()].strip():
        return "a numbered list"
    at_edge = not re.search(r"\w", plain[: first.start()]) or not re.search(
        r"\w", plain[last.end() :]
    )
    if len(plain.split()) > _LONG and not at_edge:
        return "a number inside a long text"
    number = numbers.pop()
    if not low <= number <= high:
        return f"number outside {low}-{high}"
    return number


def _without_scale(text: str, low: int, high: int) -> str:
    span = rf"{low}\s*(?:-|–|to|and)\s*{high}"
    text = re.sub(rf"(?<![\w.]){span}(?![\w.]*\d)", " ", text)
    text = re.sub(rf"(\d)\s*(?:/|out of|of)\s*{high}(?!\d)", r"\1", text)
    return re.sub(r"(\d)\s*(?:%|percent\b|points?\b)", r"\1", text)
