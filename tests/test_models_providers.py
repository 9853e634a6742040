"""No client of a provider makes a call again by itself: a failing server is called once."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("inspect_ai")
pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from listening import listening
from spillover.models.budget import Budget
from spillover.models.remote import RemoteTarget, describe_remote
from spillover.records import Ask, Message, Settings

ASK = Ask(question="q", paraphrase=0, messages=(Message(role="user", content="hello"),),
          settings=Settings(max_tokens=6))  # fmt: skip


class Failing:
    """Answers every request with an error on which clients usually try again."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.paths.append(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"retry-after", b"0")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"error": {"message": "oh"}}'})


@pytest.mark.parametrize(
    ("model", "prefix", "needs"),
    [
        ("openai-api/mine/x", "MINE", None),
        ("openai/gpt-4.1-mini", "OPENAI", None),
        ("together/a/x", "TOGETHER", None),
        ("fireworks/x", "FIREWORKS", None),
        ("openrouter/a/x", "OPENROUTER", None),
        ("deepseek/deepseek-chat", "DEEPSEEK", None),
        ("ollama/x", "OLLAMA", None),
        ("bedrock/anthropic.claude-x", "BEDROCK", "aiobotocore"),
        ("anthropic/claude-x", "ANTHROPIC", "anthropic"),
        ("groq/x", "GROQ", "groq"),
        ("mistral/x", "MISTRAL", "mistralai"),
        ("google/gemini-x", "GOOGLE", "google.genai"),
    ],
)
def test_each_call_is_made_once(
    model: str, prefix: str, needs: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if needs is not None:
        pytest.importorskip(needs)
    monkeypatch.setenv(f"{prefix}_API_KEY", "any")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    app = Failing()
    with listening(app) as url:
        base = url if prefix not in ("ANTHROPIC", "BEDROCK", "GROQ", "MISTRAL", "GOOGLE") else url[:-3]  # fmt: skip
        monkeypatch.setenv(f"{prefix}_BASE_URL", base)
        budget = Budget(max_calls=10)
        target = RemoteTarget(describe_remote(model), budget=budget, retries=1, wait=0.01)
        (answer,) = target.ask([ASK])
    assert answer.missing is not None
    assert target.calls == 2
    assert len(app.paths) == 2, app.paths
