"""Rubrics: what a judge that is a language model is told to look for."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from spillover.records.base import Record


class Rubric(Record):
    """One thing that a model judges answers by.

    Attributes:
        id: the name of the file it came from.
        text: the prompt; ``{question}`` and ``{answer}`` stand for the two.
        title, about: to show.
        scale: inclusive range of the number it asks for; None: labels only.
        labels: what the model may say instead of a number -> the label that is kept.
        threshold: where the rule draws its line on the scale, for rubrics that a rule reads.
    """

    id: str
    text: str
    title: str = ""
    about: str = ""
    scale: tuple[int, int] | None = (0, 100)
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    threshold: float | None = None

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if "{answer}" not in self.text:
            raise ValueError("the text does not show the {answer}")
        if self.scale is None and len(self.labels) < 2:
            raise ValueError("a rubric without a scale needs at least two labels")
        if self.scale is not None and not self.scale[0] < self.scale[1] <= self.scale[0] + 1000:
            raise ValueError("the scale must rise, over at most 1000 whole numbers")
        if any(not word.strip() or any(c.isdigit() for c in word) for word in self.labels):
            raise ValueError("what stands for a label must be a word without digits")
        if len({word.casefold() for word in self.labels}) < len(self.labels):
            raise ValueError("two words for labels differ in letter case only")
        return self

    @property
    def replies(self) -> tuple[str, ...]:
        """Every reply that the rubric allows: the whole numbers of its scale, then its labels."""
        low, high = self.scale or (0, -1)
        return (*(str(number) for number in range(low, high + 1)), *self.labels)
