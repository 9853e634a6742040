"""A server of tiny models on a free port of this machine, in a thread of the test process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import tiny_models as tiny
from spillover.doors.serve.app import make_app
from spillover.doors.serve.batcher import Batcher
from spillover.models.local import LocalTarget
from spillover.records import LocalWhat, TargetSpec, TargetWhere


class Served(NamedTuple):
    """A running server."""

    url: str
    batcher: Batcher
    app: Any


def tiny_target(family: str = "llama", *, name: str = "tiny", seed: int = 0) -> LocalTarget:
    """A random model as a target."""
    spec = TargetSpec(
        name=name, what=LocalWhat(model=f"{family}{seed}"), where=TargetWhere(model="nowhere")
    )
    return LocalTarget(spec, tiny.model(family, seed=seed), tiny.tokenizer())


@contextmanager
def running(
    *targets: LocalTarget,
    around: Callable[[Any], Any] = lambda app: app,
    hosts: tuple[str, ...] | None = ("127.0.0.1", "localhost"),
) -> Iterator[Served]:
    """Serve ``targets`` under their names; ``around`` may put middleware around the server."""
    import uvicorn

    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # faults are on purpose
    batcher = Batcher({target.spec.name: target for target in targets})
    app = around(make_app(batcher, hosts=hosts))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", batcher, app)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
