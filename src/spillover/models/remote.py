"""A model behind an API as a target, through Inspect AI: its providers, retries and concurrency."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from spillover.errors import ConfigError, MissingExtraError, ModelError
from spillover.records import Answer, Ask, RemoteWhat, TargetSpec, TargetWhere, digest

_FINISH = {"stop": "stop", "max_tokens": "length", "model_length": "length"}


def describe_remote(
    model: str, *, name: str | None = None, system: str | None = None
) -> TargetSpec:
    """Return the spec of a model behind an API; nothing is asked.

    Args:
        model: Inspect AI's name of it, such as ``openai/gpt-4o`` or ``openai-api/local/assistant``
            (whose address and key are the variables ``LOCAL_BASE_URL`` and ``LOCAL_API_KEY``).
        name: what to call it in reports; by default the last part of ``model``.
        system: a system prompt for questions that have none of their own.

    Raises:
        ConfigError: the name has no provider.
    """
    provider, slash, rest = model.partition("/")
    if not (provider and slash and rest):
        raise ConfigError(
            f"{model!r} names no provider: give PROVIDER/MODEL, as Inspect AI names models"
        )
    return TargetSpec(
        name=name or rest.rpartition("/")[2],
        what=RemoteWhat(model=model, system=system),
        where=TargetWhere(model=model),
    )


class _BudgetSpentError(Exception):
    """No more calls may be made."""


class RemoteTarget:
    """Answers with a model behind an API. An answer that can't be got is missing, with why.

    The seed sent is made of target and ask, so that a server which honours seeds answers the same
    ask the same way, and different asks independently.

    Args:
        spec: from `describe_remote`.
        max_calls: the most calls to the API, retries among them; answers beyond are missing.
        retries: how often a call that may yet work is made again.
        connections: calls at a time.
        timeout: seconds for one call.
        logprobs: whether answers carry the log-probability of each token, where the API gives it.

    Raises:
        MissingExtraError: inspect-ai, or what the provider needs, is not installed.
        ModelError: there is no such provider, or its key is missing.
    """

    def __init__(
        self,
        spec: TargetSpec,
        *,
        max_calls: int,
        retries: int = 5,
        connections: int = 10,
        timeout: int = 120,
        logprobs: bool = False,
    ) -> None:
        if not isinstance(spec.what, RemoteWhat):
            raise ModelError(f"target {spec.name!r} is not a remote model")
        if max_calls < 1:
            raise ConfigError(
                f"max_calls is {max_calls}: at least 1 call is needed to ask anything"
            )
        self.spec = spec
        self.max_calls, self.calls = max_calls, 0
        self._system, self._logprobs = spec.what.system, logprobs
        self._model = _open(
            spec.what.model,
            max_retries=retries, max_connections=connections, attempt_timeout=timeout,
        )  # fmt: skip
        self._count_calls()
        # One loop for good: connections belong to the loop that opened them.
        self._loop = asyncio.new_event_loop()
        threading.Thread(
            target=self._loop.run_forever, name="spillover-remote", daemon=True
        ).start()

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, as they finish."""
        found: SimpleQueue[Answer | BaseException] = SimpleQueue()

        async def one(ask: Ask) -> None:
            try:
                found.put(await self._answer(ask))
            except BaseException as error:
                found.put(error)
                raise

        async def every() -> None:
            await asyncio.gather(*(one(ask) for ask in asks))

        running = asyncio.run_coroutine_threadsafe(every(), self._loop)
        try:
            for _ in asks:
                answer = found.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            running.cancel()

    def _count_calls(self) -> None:
        """Count each attempt where Inspect makes it, and refuse those beyond the budget."""
        api = self._model.api
        attempt = api.generate

        async def counted(*arguments: Any, **named: Any) -> Any:
            if self.calls >= self.max_calls:
                raise _BudgetSpentError
            self.calls += 1
            return await attempt(*arguments, **named)

        api.generate = counted

    async def _answer(self, ask: Ask) -> Answer:
        if ask.settings.continuations:
            return self._missing(ask, "a remote model can't score given replies")
        if self.calls >= self.max_calls:
            return self._missing(ask, self._spent)
        try:
            output = await self._model.generate(self._messages(ask), config=self._config(ask))
        except _BudgetSpentError:
            return self._missing(ask, self._spent)
        except Exception as error:  # providers raise whatever they like
            if _caused_by(error, _BudgetSpentError):
                return self._missing(ask, self._spent)
            return self._missing(ask, _line(error))
        return self._read(ask, output)

    @property
    def _spent(self) -> str:
        return f"the budget of {self.max_calls} calls is spent"

    def _messages(self, ask: Ask) -> list[Any]:
        inspect = _inspect()
        kinds = {
            "system": inspect.ChatMessageSystem,
            "user": inspect.ChatMessageUser,
            "assistant": inspect.ChatMessageAssistant,
        }
        turns = [kinds[turn.role](content=turn.content) for turn in ask.messages]
        if self._system is not None and not any(turn.role == "system" for turn in ask.messages):
            turns.insert(0, kinds["system"](content=self._system))
        return turns

    def _config(self, ask: Ask) -> Any:
        return _inspect().GenerateConfig(
            seed=int(digest([self.spec.id, ask.id])[:8], 16) >> 1,  # some take 31 bits only
            temperature=ask.settings.temperature,
            top_p=ask.settings.top_p,
            max_tokens=ask.settings.max_tokens,
            logprobs=self._logprobs or None,
        )

    def _read(self, ask: Ask, output: Any) -> Answer:
        """The answer in Inspect's ``output``."""
        if output.error or not output.choices:
            return self._missing(ask, _line(output.error or "the reply has no choices"))
        choice = output.choices[0]
        if choice.stop_reason == "model_length" and output.usage is None:
            # Inspect makes the API's refusal of a long prompt look like a reply that says so.
            return self._missing(ask, _line(choice.message.text or "the prompt is too long"))
        finish = _FINISH.get(choice.stop_reason)
        if finish is None:
            return self._missing(ask, f"the reply ended with {choice.stop_reason!r}")
        logprobs = None
        if self._logprobs and choice.logprobs is not None:
            logprobs = tuple(float(token.logprob) for token in choice.logprobs.content)
        return Answer.model_validate(
            {
                "ask": ask,
                "target": self.spec.id,
                "text": choice.message.text,
                "tokens": output.usage.output_tokens if output.usage else 0,
                "finish": finish,
                "logprobs": logprobs,
            }
        )

    def _missing(self, ask: Ask, why: str) -> Answer:
        return Answer(ask=ask, target=self.spec.id, missing=why)


def _inspect() -> Any:
    """The part of Inspect AI that talks to models; 4 s the first time."""
    # Inspect announces retries on the terminal, which is ours.
    os.environ.setdefault("INSPECT_DISPLAY", "none")
    try:
        return import_module("inspect_ai.model")
    except ImportError:
        raise MissingExtraError(
            "a remote model needs inspect-ai: pip install 'spillover[remote]'"
        ) from None


def _open(name: str, **settings: Any) -> Any:
    inspect = _inspect()
    # Clients that retry by themselves would make calls that nobody counts.
    more = {"max_retries": 0} if name.partition("/")[0] in ("openai", "openai-api") else {}
    config = inspect.GenerateConfig(**settings)
    try:
        return inspect.get_model(name, config=config, memoize=False, **more)
    except ImportError as error:
        raise MissingExtraError(f"{name} needs {error.name}: pip install it") from None
    except Exception as error:  # Inspect's own error for a missing key is no public class
        raise ModelError(f"can't use the remote model {name}: {_line(error)}") from error


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _line(error: BaseException | str) -> str:
    """What went wrong, in one line."""
    if type(error).__name__ == "RetryError":  # says only that it gave up; its cause says why
        error = getattr(error, "__cause__", None) or error
    text = str(getattr(error, "message", error)).strip()
    line = " ".join(text.split())[:300]
    if isinstance(error, str):
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
