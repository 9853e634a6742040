"""Scripts behind the API: a stand-in for a model, or a judge whose every reply is known."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

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
from spillover.errors import UnknownNameError
from spillover.models.scripted import ScriptedTarget
from spillover.models.stops import before_stop
from spillover.records import Answer, Ask, Settings, digest

_QUESTION = "chat"  # what a script's rules know a conversation by
_MOST_TOPS = 20
_WORD = re.compile(r"\S+")


def recite(target: ScriptedTarget, request: ChatRequest, *, seed: int) -> Answered:
    """Return what a script replies: ``request.n`` draws that depend on seed and conversation.

    Words count as tokens, but for log-probabilities a reply is one token. The probabilities are
    the script's own, whatever temperature and top_p are.

    Raises:
        RequestError: no rule fits, or the script gives no reply.
    """
    # The same settings always: an ask that differs in them would be drawn anew.
    asks = [
        Ask(
            question=_QUESTION,
            paraphrase=0,
            messages=request.conversation,
            settings=Settings(top_logprobs=_MOST_TOPS),
            seed=int(digest([seed, index])[:15], 16),
        )
        for index in range(request.n)
    ]
    try:
        answers = list(target.ask(asks))
    except UnknownNameError as error:
        raise RequestError(str(error), param="messages", code="no_rule") from None
    for answer in answers:
        if answer.missing is not None:
            raise RequestError(answer.missing, status=500, code="no_reply")
    choices = tuple(_choice(target, request, i, answer) for i, answer in enumerate(answers))
    read = sum(len(turn.content.split()) for turn in request.conversation)
    written = sum(len(choice.message.content.split()) for choice in choices)
    return Answered(choices, read, written)


def _choice(target: ScriptedTarget, request: ChatRequest, index: int, answer: Answer) -> Choice:
    text, finish = _cut(answer.text, request.stop, request.limit)
    logprobs = None
    if request.logprobs:
        share = target.distribution(answer.ask)[answer.text]
        own = _top(text, math.log(share))
        tops = tuple(_top(t.token, t.logprob) for t in (answer.tops or ())[: request.top_logprobs])
        logprobs = Logprobs(
            content=(
                TokenLogprob(
                    token=own.token, logprob=own.logprob, bytes=own.bytes, top_logprobs=tops
                ),
            )
        )
    return Choice(
        index=index,
        message=ReplyMessage(content=text),
        logprobs=logprobs,
        finish_reason=finish,
    )


def _cut(text: str, stops: Sequence[str], most: int) -> tuple[str, Literal["stop", "length"]]:
    """The reply before the first of ``stops`` in it, and no more than ``most`` words."""
    text = before_stop(text, stops)
    words = list(_WORD.finditer(text))
    if len(words) > most:
        return text[: words[most - 1].end()], "length"
    return text, "stop"


def _top(text: str, logprob: float) -> TopLogprob:
    return TopLogprob(token=text, logprob=logprob, bytes=tuple(text.encode()))
