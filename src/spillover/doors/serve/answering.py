"""Local models: from a request to what the sampler takes, and from its replies to choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from spillover.doors.serve.request import ChatRequest
from spillover.doors.serve.wire import (
    Answered,
    Choice,
    Logprobs,
    ReplyMessage,
    RequestError,
    TokenLogprob,
    TopLogprob,
)
from spillover.errors import ModelError
from spillover.models.local import LocalTarget
from spillover.models.sampler import Reply, Request
from spillover.models.tops import Top, top_tokens
from spillover.records import digest


class _Cut(NamedTuple):
    """An answer up to where it ends."""

    text: str
    tokens: tuple[int, ...]
    sampled: int
    finish: Literal["stop", "length"]


def sampler_requests(target: LocalTarget, request: ChatRequest, *, seed: int) -> list[Request]:
    """Return what is to be sampled: ``request.n`` answers, each with a stream of its own.

    A stream depends on the model's content, the conversation, temperature, top_p, the seed and the
    answer's index; so a smaller ``n``, ``max_tokens`` or a ``stop`` only cuts.

    Raises:
        RequestError: the prompt leaves no room for an answer, or the template refuses it.
    """
    messages = request.conversation
    try:
        prompt = target.prompt(messages)
    except ModelError as error:
        raise RequestError(str(error), param="messages", code="template_refused") from None
    room = request.limit
    if target.context is not None:
        room = min(room, target.context - len(prompt))
    if room < 1:
        raise RequestError(
            f"the prompt has {len(prompt)} tokens, and the model's context is {target.context}: "
            "shorten the messages",
            param="messages",
            code="context_length_exceeded",
        )
    said = [[turn.role, turn.content] for turn in messages]
    what = [target.spec.id, said, request.temperature, request.top_p, seed]
    return [
        Request(prompt, int(digest([*what, index])[:16], 16), request.temperature, request.top_p, room)
        for index in range(request.n)
    ]  # fmt: skip


def to_answered(
    target: LocalTarget, request: ChatRequest, *, prompt: tuple[int, ...], replies: Sequence[Reply]
) -> Answered:
    """Return the choices of ``replies``, which are in the order of their index.

    Raises:
        RequestError: the model's logits were not finite.
    """
    if any(reply.finish == "broken" for reply in replies):
        raise RequestError("the model's logits are not finite", status=500, code="not_finite")
    cuts = [_cut(target, reply, request.stop) for reply in replies]
    logprobs: list[Logprobs | None] = [None] * len(cuts)
    if request.logprobs:
        logprobs = [*_logprobs(target, prompt, replies, cuts, request.top_logprobs)]
    choices = tuple(
        Choice(
            index=i,
            message=ReplyMessage(content=cut.text),
            logprobs=logprobs[i],
            finish_reason=cut.finish,
        )
        for i, cut in enumerate(cuts)
    )
    return Answered(choices, len(prompt), sum(cut.sampled for cut in cuts))


def _cut(target: LocalTarget, reply: Reply, stops: Sequence[str]) -> _Cut:
    """The reply before the first of ``stops`` in its answer."""
    kept = target.chat.kept(reply.tokens, stops)
    if kept is not None:
        return _Cut(*kept, "stop")
    finish = "stop" if reply.finish == "stop" else "length"
    return _Cut(target.chat.reply(reply.tokens), reply.tokens, len(reply.logprobs), finish)


def _logprobs(
    target: LocalTarget,
    prompt: tuple[int, ...],
    replies: Sequence[Reply],
    cuts: Sequence[_Cut],
    most: int,
) -> list[Logprobs]:
    tokens = [cut.tokens for cut in cuts]
    tops: Sequence[Sequence[tuple[Top, ...]]] = [[()] * len(row) for row in tokens]
    if most:
        tops = top_tokens(target.model, prompt, replies=tokens, most=most)
    wanted = {t for row in tokens for t in row}
    wanted.update(top.token for row in tops for place in row for top in place)
    pieces = dict(zip(sorted(wanted), target.chat.pieces(sorted(wanted)), strict=True))
    return [
        Logprobs(
            content=tuple(
                _entry(pieces, token, logprob, top)
                for token, logprob, top in zip(row, reply.logprobs, places, strict=False)
            )
        )
        for row, reply, places in zip(tokens, replies, tops, strict=True)
    ]


def _entry(
    pieces: dict[int, str], token: int, logprob: float, tops: tuple[Top, ...]
) -> TokenLogprob:
    shown = [
        # The sampler's own number for the sampled token, so that both places agree.
        _top(pieces[top.token], logprob if top.token == token else top.logprob)
        for top in tops
        if math.isfinite(top.logprob)
    ]
    own = _top(pieces[token], logprob)
    return TokenLogprob(
        token=own.token, logprob=own.logprob, bytes=own.bytes, top_logprobs=tuple(shown)
    )


def _top(piece: str, logprob: float) -> TopLogprob:
    whole = "\ufffd" not in piece
    return TopLogprob(token=piece, logprob=logprob, bytes=tuple(piece.encode()) if whole else None)
