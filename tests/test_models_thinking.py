"""Thoughts are split off from answers, kept, and judged by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import tiny_models as tiny
from spillover.models.chat import Chat
from spillover.records import Answer, Ask, Message, ScriptedWhat, TargetSpec, TargetWhere
from spillover.store import Study

PLAIN = tiny.TEMPLATE
THINKS = PLAIN + "{# replies may hold <think> and </think> #}"
BEGINS = PLAIN.replace("assistant\n{% endif", "assistant\n<think>\n{% endif") + "{# </think> #}"


def chat(template: str) -> Chat:
    import copy

    tokenizer: Any = copy.copy(tiny.tokenizer())
    tokenizer.chat_template = template
    return Chat(tokenizer)


@pytest.mark.parametrize(
    ("template", "said", "text", "reasoning"),
    [
        (PLAIN, "<think>a</think>b", "<think>a</think>b", None),
        (THINKS, "just this", "just this", None),
        (THINKS, "<think>\nhm, <b>\n</think>\n\nmy answer", "my answer", "hm, <b>"),
        (THINKS, "\n<think></think>said </think> twice", "said </think> twice", ""),
        (THINKS, "<think>never done", "", "never done"),
        (THINKS, "an answer on the tag <think>", "an answer on the tag <think>", None),
        (BEGINS, "hm\n</think>\n\nmy answer", "my answer", "hm"),
        (BEGINS, "never done", "", "never done"),
    ],
)
def test_split(template: str, said: str, text: str, reasoning: str | None) -> None:
    one = chat(template)
    spoken = one.spoken(one.encode(said))
    assert (spoken.text, spoken.reasoning) == (text, reasoning)


def test_reasoning_is_kept(tmp_path: Path) -> None:
    spec = TargetSpec(name="a", what=ScriptedWhat(script="a"), where=TargetWhere(model="a"))
    ask = Ask(question="q", paraphrase=0, messages=(Message(role="user", content="Who?"),))
    answer = Answer(ask=ask, target=spec.id, text="I.", reasoning="who am I?", finish="stop")
    with Study(tmp_path) as study:
        study.put_target(spec)
        assert list(study.keep_answers([answer])) == [answer]
        assert study.answers(spec.id, [ask]) == {ask.id: answer}
        assert list(study.all_answers(spec.id)) == [answer]
