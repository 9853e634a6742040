"""One call to a model through Inspect AI: how it is opened, asked, read, and what a failure means."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from spillover.errors import MissingExtraError, ModelError
from spillover.models.budget import Tokens
from spillover.models.chat import CUT_THOUGHT, STILL_THINKING, in_thought
from spillover.records import Ask, TokenTop

_FINISH = {"stop": "stop", "max_tokens": "length", "model_length": "length"}
_MAY_YET_WORK = frozenset({408, 409, 425, 429})  # of the 400s
# Clients that retry by themselves would make calls that nobody counts.
_ONCE: dict[str, dict[str, Any]] = {
    **{key: {"max_retries": 0} for key in ("openai", "openai-api", "anthropic", "groq")},
    "grok": {"disable_retry": True},
}
_HOPELESS = frozenset({401, 402, 404})  # every other call would fail the same way


@dataclass(frozen=True)
class Reply:
    """What one call brought.

    ``why`` says why there is no answer in it; ``used`` is None where the reply does not say;
    ``tops`` is None where it has no likeliest tokens.
    """

    text: str = ""
    reasoning: str | None = None
    finish: str | None = None
    logprobs: tuple[float, ...] | None = None
    tops: tuple[TokenTop, ...] | None = None
    used: Tokens | None = None
    why: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why a call brought nothing.

    Attributes:
        why: in one line.
        final: the same call would fail again.
        hopeless: so would every other call to this model (no such model, a wrong key).
        charged: the API may charge for it.
        wait: seconds after which the API says it may be called again.
    """

    why: str
    final: bool = False
    hopeless: bool = False
    charged: bool = True
    wait: float | None = None


@cache
def shared_loop() -> asyncio.AbstractEventLoop:
    """Return the one event loop of all remote models: connections belong to the loop they began in."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="spillover-remote", daemon=True).start()
    return loop


def inspect_models() -> Any:
    """Return the part of Inspect AI that talks to models; 4 s the first time.

    Raises:
        MissingExtraError: it is not installed.
    """
    # Inspect announces retries on the terminal, which is ours.
    os.environ.setdefault("INSPECT_DISPLAY", "none")
    try:
        return import_module("inspect_ai.model")
    except ImportError:
        raise MissingExtraError(
            "a remote model needs inspect-ai: pip install 'spillover[remote]'"
        ) from None


def open_model(name: str, *, timeout: int) -> Any:
    """Return Inspect's model ``name``, which makes each call once: retries are counted by us.

    Some providers' clients can't be told so: ``docs/remote.md`` names them.

    Raises:
        MissingExtraError: inspect-ai, or what the provider needs, is not installed.
        ModelError: there is no such provider, or its key is missing.
    """
    inspect = inspect_models()
    provider = name.partition("/")[0]
    if provider == "bedrock":  # its client takes this from nowhere else
        os.environ["AWS_MAX_ATTEMPTS"] = "1"
    # Inspect shares one limit among all models of a name; ours is the target's own.
    config = inspect.GenerateConfig(max_retries=0, max_connections=1000, attempt_timeout=timeout)
    try:
        model = inspect.get_model(name, config=config, memoize=False, **_ONCE.get(provider, {}))
    except ImportError as error:
        raise MissingExtraError(f"{name} needs {error.name}: pip install it") from None
    except Exception as error:  # Inspect's own error for a missing key is no public class
        raise ModelError(f"can't use the remote model {name}: {one_line(error)}") from error
    client: Any = getattr(model.api, "client", None)
    if isinstance(getattr(client, "max_retries", None), int):  # Together takes no such argument
        client.max_retries = 0
    return model


def messages_of(ask: Ask, system: str | None) -> list[Any]:
    """Return the conversation as Inspect has it; ``system`` where the ask has none of its own."""
    inspect = inspect_models()
    kinds = {
        "system": inspect.ChatMessageSystem,
        "user": inspect.ChatMessageUser,
        "assistant": inspect.ChatMessageAssistant,
    }
    turns = [kinds[turn.role](content=turn.content) for turn in ask.messages]
    if system is not None and not any(turn.role == "system" for turn in ask.messages):
        turns.insert(0, kinds["system"](content=system))
    return turns


def read_output(output: Any) -> Reply | Failure:
    """Read what Inspect made of a reply."""
    if output.error:
        return Failure(one_line(output.error), final=True)
    if not output.choices:
        return Failure("the reply has no choices")
    choice, usage = output.choices[0], output.usage
    used = None
    if usage is not None:
        cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
        used = Tokens(usage.input_tokens + cached, usage.output_tokens)
    if choice.stop_reason == "model_length" and usage is None:
        # Inspect makes the API's refusal of a long prompt look like a reply that says so.
        why = one_line(choice.message.text or "the prompt is too long")
        return Failure(why, final=True, charged=False)
    finish = _FINISH.get(choice.stop_reason)
    if finish is None:
        return Reply(used=used, why=f"the reply ended with {choice.stop_reason!r}")
    text, reasoning = choice.message.text, _reasoning(choice.message.content)
    why = None
    if in_thought(text):  # whole ones are apart already
        why = STILL_THINKING if finish == "length" else CUT_THOUGHT
    elif reasoning and not text.strip() and finish == "length":
        why = STILL_THINKING
    content = choice.logprobs.content if choice.logprobs is not None else None
    return Reply(
        text=text,
        reasoning=reasoning,
        finish=finish,
        logprobs=None if content is None else tuple(float(token.logprob) for token in content),
        tops=_tops(content),
        used=used,
        why=why,
    )


def read_error(error: BaseException) -> Failure:
    """Say what an error of Inspect, or of a provider's client, means."""
    status = next((code for one in _causes(error) if (code := _status(one))), None)
    why = one_line(error)
    if status is None:  # the connection, a time-out, or a body that is not what it should be
        return Failure(why)
    final = 400 <= status < 500 and status not in _MAY_YET_WORK
    wait = next((s for one in _causes(error) if (s := _retry_after(one)) is not None), None)
    return Failure(why, final, hopeless=status in _HOPELESS, charged=False, wait=wait)


def one_line(error: BaseException | str) -> str:
    """Return what went wrong, in one line."""
    if type(error).__name__ == "RetryError":  # says only that it gave up; its cause says why
        error = getattr(error, "__cause__", None) or error
    text = str(getattr(error, "message", error)).strip()
    line = " ".join(text.split())[:300]
    if isinstance(error, str):
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _reasoning(content: Any) -> str | None:
    """What the model thought before its answer, where the API shows it."""
    if isinstance(content, str):
        return None
    parts = [part for part in content if getattr(part, "type", None) == "reasoning"]
    if not parts:
        return None
    return "\n\n".join(p.summary or "" if p.redacted else p.reasoning for p in parts) or "(hidden)"


def _tops(content: Any) -> tuple[TokenTop, ...] | None:
    """The likeliest first tokens, likeliest first."""
    if not content or not content[0].top_logprobs:
        return None
    tops = [TokenTop(token=t.token, logprob=float(t.logprob)) for t in content[0].top_logprobs]
    return tuple(sorted(tops, key=lambda top: -top.logprob))


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _retry_after(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        return float(headers["retry-after"]) if headers is not None else None
    except (KeyError, ValueError):  # none, or a date
        return None
