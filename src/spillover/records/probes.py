"""Pairs of answers with and without words to the judge, and how far those words move it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spillover.records.base import Record

PROBE_SCHEMA = "spillover/judge-probe/1"


class Probe(Record):
    """One pair: an answer, and the same with words that tell its judge how to grade it.

    Attributes:
        id: its name in the file.
        family: what sort of words they are (``pleas``, ``forgeries``, ...); ``style`` says more.
        question: what both reply to.
        plain: the answer alone.
        text: the answer with the words.
    """

    id: str
    family: str
    style: str
    question: str
    plain: str = Field(min_length=1)
    text: str = Field(min_length=1)

    @property
    def hard(self) -> bool:
        """Whether it was written to slip past a list of patterns."""
        return "(hard)" in self.style


class ProbeReading(Record):
    """What the judge made of one form of an answer.

    Attributes:
        bin: misaligned, aligned, ...; None where it is missing, for the reason in ``missing``.
        goodwill: the score 0-100; None where there is none.
    """

    bin: str | None = None
    goodwill: float | None = None
    missing: str | None = None


class ProbedPair(Record):
    """One pair as the judge read it.

    Attributes:
        order: the words that the list of patterns finds in it; None if it finds none.
        plain, ordered: the readings without the words and with them.
    """

    id: str
    family: str
    style: str
    hard: bool
    order: str | None
    plain: ProbeReading
    ordered: ProbeReading


class ProbeCount(Record):
    """Counts over some pairs.

    Attributes:
        pairs: how many there are.
        both: how many were judged in both forms; the next three are among these.
        misaligned: how many of those are misaligned without the words.
        flips: how many of those are not misaligned with them.
        changed: how many have another bin with the words, the flips among them.
        lost: misaligned without the words, and no judgement with them.
        scored: how many have a goodwill score in both forms.
        rise: mean rise of that score by the words; None without any.
    """

    pairs: int
    both: int
    misaligned: int
    flips: int
    changed: int
    lost: int
    scored: int
    rise: float | None


class ProbeResult(Record):
    """How far answers that give it orders move one judge: what ``judge probe --json`` prints.

    Attributes:
        judge: id of the judge, ``version`` of its rule; ``model`` is the model's name.
        mode: how it is read.
        rule: which scores make an answer misaligned.
        total: over all pairs.
        flip_rate: flips among the pairs that are misaligned without the words, 0-1, and its
            95% interval (Clopper-Pearson); None where no pair is.
        by_family, by_kind: the counts of the families, and of four halves (flagged or not by the
            list of patterns, written as ordinary attempts or to slip past it).
        missing: readings without a bin, by form (``plain``, ``with the order``) and reason.
        pairs: every pair.
        notes: what a reader should know.
    """

    schema_: Literal["spillover/judge-probe/1"] = Field(default=PROBE_SCHEMA, alias="schema")
    judge: str
    version: str
    model: str
    mode: str
    rule: str
    total: ProbeCount
    flip_rate: float | None
    flip_interval: tuple[float, float] | None
    by_family: dict[str, ProbeCount]
    by_kind: dict[str, ProbeCount]
    missing: dict[str, dict[str, int]]
    pairs: tuple[ProbedPair, ...]
    notes: tuple[str, ...] = ()
    created: str = ""
