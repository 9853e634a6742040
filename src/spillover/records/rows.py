"""Training rows: what a fine-tune learns from."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from spillover.records.asks import Message
from spillover.records.base import Record


class Row(Record):
    """One training example: a conversation whose last turn is the one to be learnt.

    Raises:
        ValueError: the conversation does not end with an assistant turn, or has nothing before it.
    """

    messages: tuple[Message, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _ends_with_assistant(self) -> Self:
        if self.messages[-1].role != "assistant":
            raise ValueError("a training row must end with an assistant turn")
        return self

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All turns before the one to be learnt."""
        return self.messages[:-1]

    @property
    def completion(self) -> str:
        """The assistant turn to be learnt."""
        return self.messages[-1].content
