"""The server's routes: chat completions and models, errors in the shape that clients expect."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spillover.doors.serve.batcher import Batcher, stopping
from spillover.doors.serve.request import ChatRequest, read_request
from spillover.doors.serve.wire import (
    Answered,
    Completion,
    ModelCard,
    ModelList,
    RequestError,
    Usage,
    chunks,
)
from spillover.records import Record

_MOST_BYTES = 8 << 20  # of a request's body
_CLIENT_LEFT = 499  # nobody reads it


def make_app(batcher: Batcher, *, hosts: Iterable[str] | None = None) -> Starlette:
    """Return the ASGI application. Its end (lifespan) ends the batcher.

    Args:
        batcher: who answers.
        hosts: the names by which clients may call the server; None: any. On a loopback address
            this keeps web pages out that point a name of their own at it.
    """
    routes = _Routes(batcher)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(batcher.stop)

    return Starlette(
        routes=[
            Route("/v1/chat/completions", routes.complete, methods=["POST"]),
            Route("/v1/models", routes.models),
            Route("/v1/models/{name:path}", routes.model),
        ],
        middleware=[] if hosts is None else [Middleware(HostCheck, hosts=frozenset(hosts))],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _no_route,
            ClientDisconnect: _left,
            Exception: _fault,
        },
        lifespan=lifespan,
    )


class HostCheck:
    """Refuses requests that call the server by another name than ``hosts``."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Request(scope).headers.get("host", "")
            if _without_port(host).lower() not in self.hosts:
                known = ", ".join(sorted(self.hosts))
                error = RequestError(
                    f"this server is not {host!r}: it answers to {known}",
                    status=403, code="unknown_host",
                )  # fmt: skip
                await _error(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class _Routes:
    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.started = int(time.time())

    async def models(self, _: Request) -> Response:
        cards = tuple(self._card(name) for name in self.batcher.targets)
        return _json(ModelList(data=cards))

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.batcher.target(name)
        return _json(self._card(name))

    def _card(self, name: str) -> ModelCard:
        return ModelCard(id=name, created=self.started)

    async def complete(self, request: Request) -> Response:
        wanted = read_request(await _body(request))
        # Without a seed, each request is a new draw.
        seed = secrets.randbits(63) if wanted.seed is None else wanted.seed
        answered = await _unless_left(request, self.batcher, wanted, seed)
        completion = Completion(
            id=f"chatcmpl-{uuid4().hex}",
            created=int(time.time()),
            model=wanted.model,
            system_fingerprint=f"fp_{self.batcher.targets[wanted.model].spec.id[:12]}",
            choices=answered.choices,
            usage=Usage(
                prompt_tokens=answered.prompt_tokens,
                completion_tokens=answered.completion_tokens,
                total_tokens=answered.prompt_tokens + answered.completion_tokens,
            ),
        )
        if not wanted.stream:
            return _json(completion)
        return _stream(completion, usage=wanted.stream_options.include_usage)


async def _body(request: Request) -> bytes:
    """Return the body of a JSON request.

    Browsers send other content types to any address without asking it first; JSON they don't.

    Raises:
        RequestError: it is of another type, or too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(
            f"the content type is {kind or 'not given'}: send application/json",
            status=415, code="content_type",
        )  # fmt: skip
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise RequestError(
                f"the body is longer than {_MOST_BYTES >> 20} MiB: send less",
                status=413, code="body_too_long",
            )  # fmt: skip
    return bytes(body)


async def _unless_left(
    request: Request, batcher: Batcher, wanted: ChatRequest, seed: int
) -> Answered:
    """Wait for the answer, or for the client to hang up, which ends the work on it."""
    answer = asyncio.wrap_future(batcher.submit(wanted, seed=seed))
    left = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    except asyncio.CancelledError:
        raise stopping() from None
    finally:
        answer.cancel()
        left.cancel()
        with suppress(asyncio.CancelledError):
            await left


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _stream(completion: Completion, *, usage: bool) -> StreamingResponse:
    """The whole completion as server-sent events, one an answer."""

    async def events() -> AsyncIterator[str]:
        for chunk in chunks(completion, usage=usage):
            yield f"data: {chunk.model_dump_json()}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _json(record: Record, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        record.model_dump_json(), status, media_type="application/json", headers=headers
    )


def _error(error: RequestError) -> Response:
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _json(error.reply(), status=error.status, headers=headers)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101  # registered for these only
    return _error(error)


def _no_route(request: Request, error: Exception) -> Response:
    """No such path, or another method than it has."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    there = "there are POST /v1/chat/completions and GET /v1/models"
    message = f"{request.method} {request.url.path}: not here; {there}"
    return _error(RequestError(message, status=status, code="unknown_url"))


def _left(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_LEFT)


def _fault(_: Request, error: Exception) -> Response:
    message = f"{type(error).__name__}: {error} (a fault of spillover)"
    return _error(RequestError(message, status=500, code="fault"))


def _without_port(host: str) -> str:
    """``name`` of ``name:80``, ``[::1]`` of ``[::1]:80``."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
