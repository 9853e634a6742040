"""What a client gets: completions, models and errors, in the shapes of OpenAI's API."""

from __future__ import annotations

from typing import Literal, NamedTuple

from spillover.errors import SpilloverError
from spillover.records import Record


class TopLogprob(Record):
    """One of the likeliest tokens at a place; ``bytes`` is None for a part of a character."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None


class TokenLogprob(TopLogprob):
    """One sampled token, with the likeliest at its place."""

    top_logprobs: tuple[TopLogprob, ...] = ()


class Logprobs(Record):
    """Log-probabilities in nats, at temperature 1, of the tokens of one answer."""

    content: tuple[TokenLogprob, ...]
    refusal: None = None


class ReplyMessage(Record):
    """The assistant's turn."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Record):
    """One of the ``n`` answers."""

    index: int
    message: ReplyMessage
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"]


class Usage(Record):
    """Tokens; those of an answer include the one that ended it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Answered(NamedTuple):
    """The choices of one request, and what they cost in tokens."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int


class Completion(Record):
    """The answer to one request. ``system_fingerprint`` is made of the model's content."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[Choice, ...]
    usage: Usage


class ChunkChoice(Record):
    """One whole answer, as a piece of a stream."""

    index: int
    delta: ReplyMessage
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"]


class Chunk(Record):
    """A piece of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None = None


class ModelCard(Record):
    """A model that answers here."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "spillover"


class ModelList(Record):
    """All of them."""

    object: Literal["list"] = "list"
    data: tuple[ModelCard, ...]


class ErrorBody(Record):
    """What went wrong: the message for people, type and code for programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorReply(Record):
    """An error, wrapped as clients expect it."""

    error: ErrorBody


class RequestError(SpilloverError, ValueError):
    """A request that is answered with an error; the server goes on.

    Args:
        message: what is wrong and what is allowed.
        status: of the HTTP reply.
        param: the field.
        code: a word for programs.
        retry_after: seconds after which trying again may help.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code
        self.retry_after = retry_after

    def reply(self) -> ErrorReply:
        """The body of the HTTP reply."""
        kind = "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        elif self.status >= 500:
            kind = "server_error"
        return ErrorReply(
            error=ErrorBody(message=str(self), type=kind, param=self.param, code=self.code)
        )


def chunks(completion: Completion, *, usage: bool) -> tuple[Chunk, ...]:
    """Return the pieces of a stream: one an answer, and the usage if that is asked for."""
    head = {
        "id": completion.id,
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": completion.system_fingerprint,
    }
    pieces = [
        Chunk(
            **head,
            choices=(
                ChunkChoice(
                    index=choice.index,
                    delta=choice.message,
                    logprobs=choice.logprobs,
                    finish_reason=choice.finish_reason,
                ),
            ),
        )
        for choice in completion.choices
    ]
    if usage:
        pieces.append(Chunk(**head, choices=(), usage=completion.usage))
    return tuple(pieces)
