"""A server of tiny models on a free port of this machine, in a thread of the test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import tiny_models as tiny
from listening import listening
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
    batcher = Batcher({target.spec.name: target for target in targets})
    app = around(make_app(batcher, hosts=hosts))
    with listening(app) as url:
        yield Served(url, batcher, app)
