"""The two things that others plug in: what answers, and what judges answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from spillover.records import Answer, Ask, Judgement, TargetSpec


class Target(Protocol):
    """Anything that answers."""

    @property
    def spec(self) -> TargetSpec: ...

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, in the order in which they finish."""
        ...


class Judge(Protocol):
    """Anything that judges answers."""

    @property
    def id(self) -> str: ...

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer, in the order of ``answers``."""
        ...
