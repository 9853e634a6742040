"""A model behind an API as a target, through Inspect AI's providers; every call is counted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from spillover.errors import ConfigError, ModelError
from spillover.models.budget import Account, Budget, Tokens
from spillover.models.inspected import (
    Failure,
    Reply,
    inspect_models,
    messages_of,
    open_model,
    read_error,
    read_output,
    shared_loop,
)
from spillover.records import Answer, Ask, RemoteWhat, TargetSpec, TargetWhere, digest

_OUTAGE = 20  # failed asks in a row, after which nothing more is asked
_NEVER = 10  # replies without likeliest tokens, after which none are expected
_LONGEST_WAIT = 60.0  # seconds
_TICK = 0.02  # seconds between looks at a budget that others hold
NO_TOPS = "the API sends no likeliest tokens (top_logprobs): judge by samples, --judge-mode sampled"
_THINKS = "it thinks before it answers, so that its first token is no answer: --judge-mode sampled"


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


class _Got(NamedTuple):
    """What came of one ask: an answer (``failed``: no call for it worked), or no budget for it."""

    answer: Answer | None = None
    failed: bool = False


class RemoteTarget:
    """Answers with a model behind an API. An answer that can't be got is missing, with why.

    A call that may yet work (too many requests, a server's fault, a broken reply) is made again,
    after the wait that the API names, else after a growing one. Where the budget ends, what is
    under way is yielded and `BudgetError` raised: what was not asked has no answer, not even a
    missing one. So it is where nothing works any more (`ModelError`).

    The seed sent is made of target and ask, so that a server which honours seeds answers the same
    ask the same way, and different asks independently.

    Args:
        spec: from `describe_remote`.
        budget: for all calls; it may be shared with other targets.
        retries: how often a call that may yet work is made again.
        connections: calls at a time.
        timeout: seconds for one call.
        wait: seconds before a call is made again the first time; doubled each time.
        logprobs: whether answers carry the log-probability of each token, where the API gives it.

    Raises:
        MissingExtraError: inspect-ai, or what the provider needs, is not installed.
        ModelError: there is no such provider, or its key is missing.
        ConfigError: the budget is in dollars, and the model's price is not known.
    """

    def __init__(
        self,
        spec: TargetSpec,
        *,
        budget: Budget,
        retries: int = 5,
        connections: int = 10,
        timeout: int = 120,
        wait: float = 2.0,
        logprobs: bool = False,
    ) -> None:
        if not isinstance(spec.what, RemoteWhat):
            raise ModelError(f"target {spec.name!r} is not a remote model")
        self.spec = spec
        self.account: Account = budget.account(spec)
        self._system, self._logprobs = spec.what.system, logprobs
        self._retries, self._wait = retries, wait
        self._model = open_model(spec.what.model, timeout=timeout)
        self._gate = asyncio.Semaphore(connections)
        self._not_before = 0.0  # monotonic seconds until which the API wants no calls
        self._tops_seen, self._tops_lacking = False, 0

    @property
    def calls(self) -> int:
        """Calls to the API so far."""
        return self.account.spent.calls

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, as they finish.

        Raises:
            BudgetError: it ends before every ask is answered.
            ModelError: the API refuses every call (key, name), or nothing works any more.
        """
        found: SimpleQueue[_Got | BaseException] = SimpleQueue()

        async def one(ask: Ask) -> None:
            try:
                found.put(await self._answer(ask))
            except BaseException as error:
                found.put(error)
                raise

        async def every() -> None:
            async with asyncio.TaskGroup() as group:  # one error ends them all
                for ask in asks:
                    group.create_task(one(ask))

        running = asyncio.run_coroutine_threadsafe(every(), shared_loop())
        try:
            yield from self._sort(found.get() for _ in asks)
        finally:
            running.cancel()

    def _sort(self, found: Iterator[_Got | BaseException]) -> Iterator[Answer]:
        """Answers; failed ones only once a later one has shown that the API works."""
        failed: list[Answer] = []
        unpaid = 0
        for got in found:
            if isinstance(got, BaseException):
                raise got
            if got.answer is None:
                unpaid += 1
            elif got.failed:
                failed.append(got.answer)
                if len(failed) >= _OUTAGE:
                    raise ModelError(
                        f"{self.spec.where.model} does not work: {len(failed)} questions in a row"
                        f" got no answer (the last: {got.answer.missing}). What was answered"
                        " before is kept: run the same command again once it works"
                    )
            else:
                yield from failed
                failed.clear()
                yield got.answer
        if unpaid:
            raise self.account.budget.error()
        yield from failed

    async def _answer(self, ask: Ask) -> _Got:
        wants_tops = bool(ask.settings.top_logprobs)
        if ask.settings.continuations:
            return _Got(self._missing(ask, "a remote model can't score given replies"))
        why, failed = "", True
        for attempt in range(self._retries + 1):
            async with self._gate:
                await self._pause()
                if wants_tops and not self._tops_seen and self._tops_lacking >= _NEVER:
                    return _Got(self._missing(ask, NO_TOPS))
                got = await self._call(ask, again=attempt > 0)
            if got is None:
                return _Got()
            if isinstance(got, Reply):
                if not (wants_tops and got.tops is None and got.why is None):
                    self._tops_seen = self._tops_seen or got.tops is not None
                    return _Got(self._read(ask, got))
                if got.reasoning:
                    return _Got(self._missing(ask, _THINKS))
                self._tops_lacking += 1
                why, failed = NO_TOPS, False
            else:
                why, failed = got.why, not got.final
                if got.hopeless:
                    raise ModelError(f"can't use {self.spec.where.model}: {got.why}")
                if got.final:
                    hint = " (--judge-mode sampled needs none)" if "logprobs" in why else ""
                    return _Got(self._missing(ask, why + hint))
            if attempt < self._retries:
                await self._before_again(attempt, got)
        return _Got(self._missing(ask, why), failed)

    async def _call(self, ask: Ask, *, again: bool) -> Reply | Failure | None:
        """One call; None if the budget does not allow it."""
        most = self._most(ask)
        while (taken := self.account.take(most, again=again)) == "wait":
            await asyncio.sleep(_TICK)
        if taken == "spent":
            return None
        used: Tokens | None = None  # so it stays if the call is cancelled
        try:
            output = await self._model.generate(
                messages_of(ask, self._system), config=self._config(ask)
            )
            got = read_output(output)
            used = _used(got)
        except Exception as error:  # providers raise whatever they like
            got = read_error(error)
            used = _used(got)
        finally:
            self.account.settle(most, used)
        return got

    async def _pause(self) -> None:
        """Wait while the API wants no calls."""
        while (left := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def _before_again(self, attempt: int, got: Reply | Failure) -> None:
        """Wait before a call is made again; what the API names holds back all calls."""
        if isinstance(got, Failure) and got.wait is not None:
            until = time.monotonic() + min(max(got.wait, 0.0), _LONGEST_WAIT)
            self._not_before = max(self._not_before, until)
            return
        # Spread, so that calls which failed together are not made again together.
        await asyncio.sleep(min(self._wait * 2**attempt, _LONGEST_WAIT) * random.uniform(0.5, 1.0))

    def _most(self, ask: Ask) -> Tokens:
        """The most tokens that a call can use: no tokenizer makes more tokens than bytes."""
        texts = [turn.content for turn in ask.messages] + [self._system or ""]
        # Templates and roles add a few tokens a turn.
        read = sum(len(text.encode("utf-8", "replace")) + 32 for text in texts)
        return Tokens(read, ask.settings.max_tokens)

    def _config(self, ask: Ask) -> Any:
        tops = ask.settings.top_logprobs
        return inspect_models().GenerateConfig(
            seed=int(digest([self.spec.id, ask.id])[:8], 16) >> 1,  # some take 31 bits only
            temperature=ask.settings.temperature,
            top_p=ask.settings.top_p,
            stop_seqs=list(ask.settings.stop) or None,
            max_tokens=ask.settings.max_tokens,
            logprobs=self._logprobs or bool(tops) or None,
            top_logprobs=tops or None,
        )

    def _read(self, ask: Ask, reply: Reply) -> Answer:
        if reply.why is not None:
            return self._missing(ask, reply.why)
        return Answer.model_validate(
            {
                "ask": ask,
                "target": self.spec.id,
                "text": reply.text,
                "reasoning": reply.reasoning,
                "tokens": reply.used.output if reply.used else 0,
                "finish": reply.finish,
                "logprobs": reply.logprobs if self._logprobs else None,
                "tops": reply.tops if ask.settings.top_logprobs else None,
            }
        )

    def _missing(self, ask: Ask, why: str) -> Answer:
        return Answer(ask=ask, target=self.spec.id, missing=why)


def _used(got: Reply | Failure) -> Tokens | None:
    """The tokens that a call used; None if nobody knows."""
    if isinstance(got, Reply):
        return got.used
    return None if got.charged else Tokens()
