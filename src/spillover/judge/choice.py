"""Read a choice between labels: by letter or by name, in whichever order they were shown."""

from __future__ import annotations

import re
import string
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

_EDGES = " \t\r\n.,:;!?*_`'\"“”‘’()[]<>"
_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|rather than|instead of|over|avoid|reject|against|\w+n['’]t)\b"
    r"[^.;\n]{0,30}$",
    re.IGNORECASE,
)


class ChoiceJudge:
    """One of the question's choices. The label is the choice's name, whatever letter it had.

    With two choices the value is 100 times the share of the one shown first: of one reply 0 or
    100, of scored replies their renormalised probability. So it turns by the question's
    direction just as a rating does.
    """

    id = "choice"
    version = "1"  # raise it when a reply would be read in another way

    def __init__(self, battery: Battery) -> None:
        self._battery = battery

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer, with the chosen label."""
        return map(self._one, answers)

    def _one(self, answer: Answer) -> Judgement:
        choices = find_question(self._battery, answer).choices
        reason = nothing_to_judge(answer)
        if reason is None and len(choices) < 2:
            reason = "the question has no choices"
        if reason is not None:
            return missing(self.id, answer, reason)
        if answer.ask.settings.continuations:
            return _scored(self.id, answer, choices)
        index = read_choice(answer.text, choices)
        if isinstance(index, str):
            return missing(self.id, answer, index)
        value = 100.0 * (index == 0) if len(choices) == 2 else None
        return found(self.id, answer, label=choices[index], value=value)


def _scored(judge: str, answer: Answer, choices: Sequence[str]) -> Judgement:
    shares = probabilities(answer)
    if isinstance(shares, str):
        return missing(judge, answer, shares)
    sums = [0.0] * len(choices)
    for share, text in zip(shares, answer.ask.settings.continuations, strict=True):
        index = _exactly(text, choices)
        if index is None:
            return missing(judge, answer, f"continuation {text!r} is none of the choices")
        sums[index] += share
    mass = sum(sums)
    if mass < MIN_MASS:
        return missing(judge, answer, f"captured mass under {MIN_MASS}", mass=mass)
    best = max(sums)
    if sums.count(best) > 1:
        return missing(judge, answer, "a tie between choices", mass=mass)
    value = 100.0 * sums[0] / mass if len(choices) == 2 else None
    return found(judge, answer, label=choices[sums.index(best)], value=value, mass=mass)


def read_choice(text: str, choices: Sequence[str]) -> int | str:
    """Return the index of the one choice that a text makes, or the reason why it makes none.

    A choice is named by its label or by its letter (A for the first shown). The whole text, or
    how it begins (``B, because ...``), decides; else exactly one choice may be mentioned, and
    not after a negation.
    """
    whole = _exactly(text, choices)
    if whole is not None:
        return whole
    lead = _lead(text, choices)
    if lead is not None:
        return lead
    hits = sorted(_mentions(text, choices))
    if not hits:
        return "none of the choices"
    if len({index for _, index in hits}) > 1:
        return "more than one choice"
    position, index = hits[0]
    if _NEGATION.search(text[:position]):
        return "a choice after a negation"
    return index


def _letters(choices: Sequence[str]) -> str:
    return string.ascii_uppercase[: len(choices)]


def _exactly(text: str, choices: Sequence[str]) -> int | None:
    """Return the choice that a text consists of: ``B``, ``(b)``, ``safe.``, ``B: safe``."""
    plain = " ".join(text.strip(_EDGES).casefold().split())
    for index, label in enumerate(choices):
        name = " ".join(label.casefold().split())
        if plain == name:
            return index
        if _by_letter(choices):
            letter = _letters(choices)[index].casefold()
            noun = r"(?:(?:option|choice|answer)\s*:?\s*)?"
            if re.fullmatch(rf"{noun}\(?{letter}\)?(?:\s*[.:),-]+\s*{re.escape(name)})?", plain):
                return index
    return None


def _by_letter(choices: Sequence[str]) -> bool:
    # where the labels are letters themselves, the letter of the position must not compete
    return not any(len(label) == 1 for label in choices)


def _lead(text: str, choices: Sequence[str]) -> int | None:
    """Return the choice that a text begins with, if punctuation or a line end follows it."""
    names = list(choices) + (list(_letters(choices)) if _by_letter(choices) else [])
    for number in sorted(range(len(names)), key=lambda n: -len(names[n])):
        pattern = (
            rf"[\s*_`\"'“(\[]*{re.escape(names[number])}[*_`\"'”)\]]*(?:[.,:;!)\n—–]|\s+[-—–]\s)"
        )
        flags = re.IGNORECASE if len(names[number]) > 1 else re.NOFLAG
        hit = re.match(pattern, text, flags)
        if hit is None or _exactly(text[hit.end() :], choices) is not None:
            continue  # "A, B" begins with a list, not with a choice
        index = number % len(choices)
        named = {other for _, other in _mentions(text.splitlines()[0], choices, letters=False)}
        # "A: safe" where A stands for another label contradicts itself
        return index if number < len(choices) or named <= {index} else None
    return None


def _mentions(
    text: str, choices: Sequence[str], *, letters: bool = True
) -> Iterator[tuple[int, int]]:
    """Yield (position, index) of every mention; a longer label hides a shorter one inside it."""
    taken: list[tuple[int, int]] = []
    for index in sorted(range(len(choices)), key=lambda n: -len(choices[n])):
        label = choices[index]
        flags = re.IGNORECASE if len(label) > 1 else re.NOFLAG
        for hit in re.finditer(rf"(?<![\w-]){re.escape(label)}(?![\w-])", text, flags):
            inside = any(a <= hit.start() < b for a, b in taken)
            if not inside and not _is_article(text, hit.end(), label):
                taken.append(hit.span())
                yield hit.start(), index
    if letters and _by_letter(choices):
        for index, letter in enumerate(_letters(choices)):
            for hit in re.finditer(rf"(?<![\w'’-]){letter}(?![\w'’-])", text):
                if not _is_article(text, hit.end(), letter):
                    yield hit.start(), index


_AFTER_LETTER = (
    "or|nor|and|is|was|as|because|since|for|but|it|would|seems|looks|gives|offers|has|over|instead|"
    "rather|please|then|though|if|so|every|any|all"
)


def _is_article(text: str, end: int, letter: str) -> bool:
    """Tell the article ("A gamble is") and the pronoun ("I think") from a choice's letter."""
    if letter == "I":
        return re.match(r"\s+[a-z]", text[end:]) is not None
    follows = re.match(rf"\s+(?!(?:{_AFTER_LETTER})\b)[a-z]", text[end:])
    return letter == "A" and follows is not None
