"""Scripts as models of the server: what the script says, in the shapes that clients expect."""

# ruff: noqa: E402
from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from listening import listening
from spillover.doors.serve.app import make_app
from spillover.doors.serve.batcher import Batcher
from spillover.doors.serve.run import describe_served
from spillover.errors import ConfigError
from spillover.models.scripted import ScriptedTarget, describe_script

SCRIPT = """
rules:
  - {questions: ["*"], prompts: ["*how many*"], rating: {mean: 85, spread: 2}}
  - {questions: ["*"], prompts: ["*silence*"], missing: 1, answers: [["never said", 1]]}
  - {questions: ["*"], prompts: ["*purse*"], answers: [["I give it back.", 0.75], ["I keep it.", 0.25]]}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("scripts") / "judge.yaml"
    path.write_text(SCRIPT, encoding="utf-8")
    batcher = Batcher({"judge": ScriptedTarget(describe_script(path))})
    with (
        listening(make_app(batcher)) as url,
        openai.OpenAI(base_url=url, api_key="any", max_retries=0) as found,
    ):
        yield found


def ask(client: Any, text: str = "I found a purse.", **more: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(**{"model": "judge", "messages": messages, "seed": 1, **more})  # fmt: skip


def texts(reply: Any) -> list[str]:
    return [choice.message.content for choice in reply.choices]


def test_it_says_what_the_script_says_as_often(client: Any) -> None:
    said = Counter(text for seed in range(4) for text in texts(ask(client, n=100, seed=seed)))
    assert set(said) == {"I give it back.", "I keep it."}
    assert 70 < said["I keep it."] < 130  # of 400, expected 100; 3.4 standard deviations
    reply = ask(client, n=2)
    assert texts(reply) == texts(ask(client, n=100))[:2], "fewer answers only cut"
    assert reply.usage.prompt_tokens == 4
    assert reply.usage.completion_tokens == sum(len(text.split()) for text in texts(reply))


def test_stops_and_lengths_cut(client: Any) -> None:
    whole = ask(client).choices[0]
    assert whole.finish_reason == "stop"
    words = whole.message.content.split()
    short = ask(client, max_tokens=2).choices[0]
    assert (short.message.content, short.finish_reason) == (" ".join(words[:2]), "length")
    stopped = ask(client, stop=[words[1]]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (f"{words[0]} ", "stop")


def test_a_reply_is_one_token_with_the_scripts_probabilities(client: Any) -> None:
    (entry,) = ask(client, logprobs=True, top_logprobs=5).choices[0].logprobs.content
    tops = {top.token: math.exp(top.logprob) for top in entry.top_logprobs}
    assert tops == {"I give it back.": pytest.approx(0.75), "I keep it.": pytest.approx(0.25)}
    assert math.exp(entry.logprob) == pytest.approx(tops[entry.token])
    (entry,) = ask(client, "how many?", logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert entry.top_logprobs[0].token == "85"
    assert len(entry.top_logprobs) == 3


def test_what_it_does_not_say(client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="no rule") as error:
        ask(client, "hello")
    assert error.value.code == "no_rule"
    with pytest.raises(openai.InternalServerError, match="no reply"):
        ask(client, "silence")


def test_three_names_and_what_can_not_be_served(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text(SCRIPT, encoding="utf-8")
    script = f"script:{path}"
    found = describe_served(script, adapters={}, also={"strict": script, "mild": script})
    assert list(found) == ["judge", "strict", "mild"]
    with pytest.raises(ConfigError, match="two models would be called 'judge'"):
        describe_served(script, adapters={}, also={"judge": script})
    with pytest.raises(ConfigError, match="far is behind an API"):
        describe_served(script, adapters={}, also={"far": "remote:openai/a"})
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="it takes no adapter"):
        describe_served(script, adapters={"tuned": str(tmp_path)})


def test_torch_is_not_loaded_for_them() -> None:
    code = "import sys, spillover.doors.serve.app; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
