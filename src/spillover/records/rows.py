"""Training rows: what a fine-tune learns from."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from spillover.records.asks import Message
from spillover.records.base import Record, canonical_json


class Row(Record):
    """One training example: a conversation whose last turn is the one to be learnt.

    Attributes:
        messages: the conversation.
        extra: what else the row's file says of it (source, scores, ...), by field.
        turn_extra: what else it says of each turn (weight, name, ...); empty if nothing of any.

    Raises:
        ValueError: the conversation does not end with an assistant turn, or has nothing before it.
    """

    messages: tuple[Message, ...] = Field(min_length=2)
    extra: dict[str, Any] = {}
    turn_extra: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _ends_with_assistant(self) -> Self:
        if self.messages[-1].role != "assistant":
            raise ValueError("a training row must end with an assistant turn")
        if self.turn_extra and len(self.turn_extra) != len(self.messages):
            raise ValueError("turn_extra needs as many entries as there are turns, or none")
        if "messages" in self.extra or any({"role", "content"} & set(t) for t in self.turn_extra):
            raise ValueError("an extra field can't be messages, role or content")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return {k: v for k, v in fields.items() if v or k not in ("extra", "turn_extra")}

    def __hash__(self) -> int:
        return hash(self.messages)  # the extra fields are dictionaries, which can't be hashed

    @property
    def content(self) -> str:
        """Canonical JSON of the conversation alone: by this, and no extra field, rows are told apart."""
        return canonical_json({"messages": [turn.model_dump() for turn in self.messages]})

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All turns before the one to be learnt."""
        return self.messages[:-1]

    @property
    def completion(self) -> str:
        """The assistant turn to be learnt."""
        return self.messages[-1].content
