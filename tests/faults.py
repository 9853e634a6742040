"""What goes wrong between a client and a server, on a schedule: ASGI middleware for tests."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

Fault = Literal["429", "500", "silence", "cut", "garbage", "no_logprobs", "html"]
FAULTS: tuple[Fault, ...] = ("429", "500", "silence", "cut", "garbage", "no_logprobs", "html")


class Faults:
    """Spoils chat requests, or those whose path ends with ``ending``; other requests pass.

    Args:
        app: the real server.
        schedule: what happens to each chat request in turn (None: nothing); nothing after its end.
        silence: seconds of a ``silence``, after which the connection is dropped.
        retry_after: what a ``429`` says.
    """

    def __init__(
        self,
        app: Any,
        schedule: Iterator[Fault | None] | Sequence[Fault | None],
        *,
        silence: float = 30.0,
        retry_after: str = "0.05",
        ending: str = "/chat/completions",
    ) -> None:
        self.app = app
        self.schedule = iter(schedule)
        self.silence, self.retry_after, self.ending = silence, retry_after, ending
        self.seen: list[Fault | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(self.ending):
            await self.app(scope, receive, send)
            return
        fault = next(self.schedule, None)
        self.seen.append(fault)
        if fault is None:
            await self.app(scope, receive, send)
        elif fault == "429":
            error = {"message": "slow down", "type": "rate_limit_error"}
            await _send(send, 429, json.dumps({"error": error}), retry_after=self.retry_after)
        elif fault == "500":
            error = {"message": "oh", "type": "server_error"}
            await _send(send, 500, json.dumps({"error": error}))
        elif fault == "silence":
            await _silence(receive, self.silence)
        elif fault == "garbage":
            await _send(send, 200, '{"choices": [{"index": 0, "mess')
        elif fault == "html":
            await _send(send, 200, "<html>Bad gateway</html>", kind="text/html")
        else:
            await self._spoil(fault, scope, receive, send)

    async def _spoil(self, fault: Fault, scope: Any, receive: Any, send: Any) -> None:
        """Change the real answer."""
        sent: list[Any] = []

        async def keep(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        if fault == "cut":
            await send(sent[0])  # promises the whole length
            await send(
                {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
            )
            raise ConnectionAbortedError("cut")  # the server drops the connection
        reply = json.loads(body)
        for choice in reply.get("choices", []):
            choice["logprobs"] = None
        await _send(send, sent[0]["status"], json.dumps(reply))


def seeded(seed: int, *, share: float, kinds: Sequence[Fault] = FAULTS) -> Iterator[Fault | None]:
    """Yield a fault for about ``share`` of the requests, without end; the same for the same seed."""
    draw = random.Random(seed)
    while True:
        yield draw.choice(kinds) if draw.random() < share else None


async def _silence(receive: Any, seconds: float) -> None:
    """Say nothing until the client has left or the time is over; then drop the connection."""

    async def until_left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with suppress(TimeoutError):
        await asyncio.wait_for(until_left(), seconds)
    raise ConnectionAbortedError("silence")


async def _send(
    send: Any, status: int, body: str, *, kind: str = "application/json", retry_after: str = ""
) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    if retry_after:
        headers.append((b"retry-after", retry_after.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
