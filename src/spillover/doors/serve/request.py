"""What a client may send. A setting that can't be honoured is refused, never ignored.

An ignored setting would be a wrong measurement: an answer sampled in another way than was asked for.
Fields that can't change an answer (``user``, ``metadata``, ...) are taken and not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from spillover.doors.serve.wire import RequestError
from spillover.records import Message, Record

DEFAULT_MAX_TOKENS = 512  # the context of a large model would be too much to set memory aside for
_MOST_TOKENS = 1 << 17
_MOST_ANSWERS = 128
_MOST_STOPS = 4
_INT64 = 1 << 63


def _without_nulls(value: Any) -> Any:
    """Drop fields that say nothing: ``null`` means the default, an empty list nothing."""
    if not isinstance(value, Mapping):
        return value
    return {name: field for name, field in value.items() if field is not None and field != []}


def _text(content: Any) -> Any:
    """Join the text parts of a message."""
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for part in content:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            kind = part.get("type") if isinstance(part, Mapping) else part
            raise ValueError(f"a part of type {kind!r} can't be read: only 'text' parts can")
        texts.append(str(part.get("text", "")))
    return "".join(texts)


class ChatMessage(Record):
    """One turn of the conversation. ``developer`` is another word for ``system``."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text)] = ""

    @model_validator(mode="wrap")
    @classmethod
    def _plain(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return handler(_without_nulls(value))

    def message(self) -> Message:
        """The same turn as the rest of the package knows it."""
        role = "system" if self.role == "developer" else self.role
        return Message(role=role, content=self.content)


class StreamOptions(Record):
    """Whether the last chunk of a stream tells how many tokens there were."""

    include_usage: bool = False
    include_obfuscation: bool = False


class TextFormat(Record):
    """The one response format there is."""

    type: Literal["text"] = "text"


class ChatRequest(Record):
    """The body of a request for chat completions."""

    model: str
    messages: tuple[ChatMessage, ...] = Field(min_length=1)
    n: int = Field(default=1, ge=1, le=_MOST_ANSWERS)
    seed: int | None = Field(default=None, ge=-_INT64, lt=_INT64)
    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=_MOST_TOKENS)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=_MOST_TOKENS)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), max_length=_MOST_STOPS
    )
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    # Taken with the value that changes nothing.
    frequency_penalty: float = Field(default=0, ge=0, le=0)
    presence_penalty: float = Field(default=0, ge=0, le=0)
    logit_bias: dict[str, float] = Field(default={}, max_length=0)
    response_format: TextFormat = TextFormat()
    # These can't change an answer.
    user: str | None = None
    metadata: dict[str, JsonValue] = {}
    store: bool = False
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _plain(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        fields = _without_nulls(value)
        if isinstance(fields, dict) and isinstance(fields.get("stop"), str):
            fields["stop"] = [fields["stop"]]
        return handler(fields)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        if self.max_tokens and self.max_completion_tokens not in (None, self.max_tokens):
            raise ValueError("max_tokens and max_completion_tokens differ: give one of them")
        return self

    @property
    def limit(self) -> int:
        """Most tokens of an answer."""
        return self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The messages as the rest of the package knows them."""
        return tuple(turn.message() for turn in self.messages)


def read_request(body: bytes) -> ChatRequest:
    """Return the request in ``body``.

    Raises:
        RequestError: it is not JSON, or a field is not usable; the message says which and why.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> RequestError:
    """The first thing that is wrong, in one sentence."""
    first = error.errors(include_url=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    message, kind = first["msg"].removeprefix("Value error, "), first["type"]
    if kind == "json_invalid":
        return RequestError(f"the body is not JSON: {message}", code="invalid_json")
    if kind == "extra_forbidden":
        known = ", ".join(sorted(ChatRequest.model_fields))
        message = "not a field that can be honoured here"
        if len(first["loc"]) == 1:
            message += f"; these can: {known}"
        return RequestError(f"{param}: {message}", param=param, code="unknown_field")
    if kind == "missing":
        return RequestError(f"{param} is needed", param=param, code="missing_field")
    if param is None:
        return RequestError(message, code="invalid_value")
    shown = repr(first["input"])
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return RequestError(f"{param} is {shown}: {message}", param=param, code="invalid_value")
