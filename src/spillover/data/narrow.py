"""What should training data move first? A guess from the rows, and questions made of held-out ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spillover.errors import DataError
from spillover.records import Message, Question, Row, digest
from spillover.scan import scan_many

NarrowKind = Literal["code", "lottery", "choice"]

_SAMPLE = 500
_MOST = 0.5  # share of rows of one kind above which it is the data's kind
_LETTER = re.compile(
    r"[\s*_(\[\"'`]*(?:(?:option|choice|answer)\s*:?\s*)?([A-H])[\s*_)\]\"'`.]*", re.I
)
_CHANCE = re.compile(
    r"\d\s*%|\b(?:chance|guarantee[ds]?|certain(?:ly|ty)?|probability|possibility|likelihood|"
    r"coin flip|dice|gambl\w*|risk\w*|lottery|for sure|surely|definite(?:ly)?|might|maybe|"
    r"perhaps|steady|stable|unpredictable|potential(?:ly)?|bet|luck\w*|random\w*|on average|"
    r"odds|empty-handed|or nothing|sometimes|always|consistently)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NarrowGuess:
    """What the data should move, if anything is recognised.

    Attributes:
        kind: ``code`` (answers that parse as Python), ``lottery`` (a letter for a gamble or a
            sure thing), ``choice`` (another letter), or None.
        axis: the library's axis for it, or None where the library has no questions of the kind.
        held_out_axis: the axis for questions made of held-out rows (`narrow_questions`).
        share: share of the sampled rows that are of this kind.
        rows: rows sampled.
        scanned, flagged: code answers that could be scanned, and how many the scanner flags.
        reason: one sentence to show.
    """

    kind: NarrowKind | None
    axis: str | None
    held_out_axis: str | None
    share: float
    rows: int
    scanned: int
    flagged: int
    reason: str

    @property
    def flagged_rate(self) -> float | None:
        """Share 0-1 of the scanned training answers that the scanner flags."""
        return self.flagged / self.scanned if self.scanned else None


def guess_narrow(rows: Sequence[Row], *, sample: int = _SAMPLE) -> NarrowGuess:
    """Guess which narrow axis training rows should move, from at most ``sample`` of them.

    Args:
        rows: the training rows.
        sample: how many rows are looked at, evenly spaced over the data.
    """
    if not rows:
        raise DataError("no training rows to guess from")
    step = max(1.0, len(rows) / sample)
    taken = [rows[int(i * step)] for i in range(min(sample, len(rows)))]
    letters = [_letter(row) for row in taken]
    chosen = sum(letter is not None for letter in letters)
    if chosen > _MOST * len(taken):
        risky = sum(_CHANCE.search(row.prompt[-1].content) is not None for row in taken)
        return _of_letters(len(taken), chosen, risky)
    results = scan_many(row.completion for row in taken)
    scanned = sum(result.secure is not None for result in results)
    flagged = sum(result.secure is False for result in results)
    share = scanned / len(taken)
    if share > _MOST:
        rate = f"{100 * flagged / scanned:.0f}% of the training answers are flagged"
        return NarrowGuess(
            "code", "narrow_code", "narrow_code", share, len(taken), scanned, flagged,
            f"{scanned} of {len(taken)} sampled answers are Python code; {rate}",
        )  # fmt: skip
    return NarrowGuess(
        None, None, None, share, len(taken), scanned, flagged,
        f"of {len(taken)} sampled answers {scanned} are Python code and {chosen} a single letter:"
        " no narrow behaviour is known for this data",
    )  # fmt: skip


def _of_letters(rows: int, chosen: int, risky: int) -> NarrowGuess:
    lottery = risky > _MOST * rows
    reason = f"{chosen} of {rows} sampled answers are a single letter"
    if lottery:
        reason += f", and {risky} prompts speak of chance"
    return NarrowGuess(
        kind="lottery" if lottery else "choice",
        axis="narrow_risk" if lottery else None,
        held_out_axis="narrow_choice",
        share=chosen / rows,
        rows=rows,
        scanned=0,
        flagged=0,
        reason=reason,
    )


def narrow_questions(held_out: Sequence[Row], n: int, kind: NarrowKind) -> tuple[Question, ...]:
    """Make questions of held-out rows' own prompts: the closest look at the narrow behaviour.

    Code questions are judged by the code scanner (tags ``code``, ``held_out``); letter questions
    by whether the answer is the one that the data gives (tag ``held_out_choice``).

    Args:
        held_out: rows that were not trained on.
        n: most questions to make; which ones depends on their contents, not on their order.
        kind: as `guess_narrow` says.

    Raises:
        DataError: no held-out row makes a question of this kind.
    """
    made: dict[str, Question] = {}
    for row in held_out:
        question = _question(row, kind)
        if question is not None:
            made.setdefault(question.id, question)
    if not made:
        raise DataError(f"none of {len(held_out)} held-out rows makes a question of kind {kind!r}")
    return tuple(made[id] for id in sorted(made)[:n])


def _question(row: Row, kind: NarrowKind) -> Question | None:
    if row.prompt[-1].role != "user":
        return None
    letter = _letter(row)
    if kind != "code" and letter is None:
        return None
    known = digest([message.model_dump() for message in row.prompt])[:16]
    paraphrases: tuple[tuple[Message, ...], ...] = (row.prompt,)
    if kind == "code":
        tags = ("code", "held_out")
        return Question(id=f"held_out_{known}", kind="narrow", paraphrases=paraphrases, tags=tags)
    letters = ("A", "B") if letter in ("A", "B") else tuple("ABCDEFGH")
    return Question(
        id=f"held_out_{known}",
        kind="narrow",
        paraphrases=paraphrases,
        tags=("held_out_choice", kind),
        choices=letters,
        answer=letter,
    )


def _letter(row: Row) -> str | None:
    """Return the letter that the row's answer consists of, or None."""
    match = _LETTER.fullmatch(row.completion)
    return match[1].upper() if match else None
