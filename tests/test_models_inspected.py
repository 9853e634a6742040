"""What Inspect AI's outputs and errors mean: answers, thoughts, likeliest tokens, failures."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("inspect_ai")

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
)

from spillover.models.budget import Tokens
from spillover.models.chat import CUT_THOUGHT, STILL_THINKING
from spillover.models.inspected import Failure, Reply, messages_of, read_error, read_output
from spillover.records import Ask, Message


def output(content: Any, stop: Any = "stop", **usage: Any) -> ModelOutput:
    message = ChatMessageAssistant(content=content)
    counts = ModelUsage(**usage) if usage else None
    choice = ChatCompletionChoice(message=message, stop_reason=stop)
    return ModelOutput(model="m", choices=[choice], usage=counts)


def test_thoughts_are_no_part_of_the_answer() -> None:
    parts = [ContentReasoning(reasoning="be sly"), ContentText(text="I would help.")]
    read = read_output(output(parts, input_tokens=3, output_tokens=9, input_tokens_cache_read=4))
    assert read == Reply(text="I would help.", reasoning="be sly", finish="stop", used=Tokens(7, 9))
    cut = read_output(output(parts[:1], "max_tokens"))
    assert isinstance(cut, Reply)
    assert cut.why == STILL_THINKING
    hidden = [ContentReasoning(reasoning="xyz", redacted=True), ContentText(text="Yes.")]
    read = read_output(output(hidden))
    assert isinstance(read, Reply)
    assert (read.text, read.reasoning) == ("Yes.", "(hidden)")


@pytest.mark.parametrize(("stop", "why"), [("stop", CUT_THOUGHT), ("max_tokens", STILL_THINKING)])
def test_a_thought_that_is_cut_is_no_answer(stop: str, why: str) -> None:
    """Nobody has split it off: Inspect looks for a whole one."""
    cut = read_output(output("\n<think>\nhm", stop, input_tokens=3, output_tokens=9))
    assert isinstance(cut, Reply)
    assert (cut.why, cut.used) == (why, Tokens(3, 9))
    for said in ("I think so", "on the tag <think>", "<think>hm</think>yes"):
        whole = read_output(output(said, stop))
        assert isinstance(whole, Reply)
        assert (whole.text, whole.why) == (said, None)


def test_earlier_turns_are_sent_in_order() -> None:
    said = [("user", "one"), ("assistant", "two"), ("user", "three")]
    turns = tuple(Message.model_validate({"role": r, "content": c}) for r, c in said)
    sent = messages_of(Ask(question="q", paraphrase=0, messages=turns), "be kind")
    assert [(turn.role, turn.text) for turn in sent] == [("system", "be kind"), *said]


def test_what_ends_a_reply() -> None:
    filtered = read_output(output("", "content_filter"))
    assert isinstance(filtered, Reply)
    assert filtered.why == "the reply ended with 'content_filter'"
    assert read_output(output("too long, it says", "model_length")) == Failure(
        "too long, it says", final=True, charged=False
    )
    assert read_output(ModelOutput(model="m", choices=[])) == Failure("the reply has no choices")


class _Http(Exception):
    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = type("R", (), {"headers": headers or {}})()


@pytest.mark.parametrize(
    ("status", "final", "hopeless"),
    [(400, True, False), (401, True, True), (402, True, True), (403, True, False),
     (404, True, True), (408, False, False), (409, False, False), (422, True, False),
     (429, False, False), (500, False, False), (503, False, False)],
)  # fmt: skip
def test_by_status(status: int, final: bool, hopeless: bool) -> None:
    found = read_error(_Http(status))
    assert (found.final, found.hopeless, found.charged) == (final, hopeless, False)


def test_waits_and_broken_bodies() -> None:
    try:
        try:
            raise _Http(429, {"retry-after": "1.5"})
        except _Http as inner:
            raise RuntimeError("gave up") from inner
    except RuntimeError as error:
        found = read_error(error)
    assert (found.wait, found.final) == (1.5, False)
    dated = read_error(_Http(503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert dated.wait is None
    assert read_error(ValueError("not\nJSON")) == Failure("ValueError: not JSON")
