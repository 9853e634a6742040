"""Loading the models and running the server until it is interrupted."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any

from spillover.auditing.learnt import find_finetune
from spillover.errors import ConfigError, MissingExtraError, ModelError
from spillover.models.adapters import adapter_folder
from spillover.models.open import describe_target, open_target
from spillover.records import Dtype, LocalWhat, Quantize, Recipe, RemoteWhat, TargetSpec

_NAME = re.compile(r"[\w.:@-]+(/[\w.:@-]+)*")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_GRACE = 3  # seconds that answers under way have once the server is to stop


def describe_served(
    model: str,
    *,
    name: str | None = None,
    adapters: Mapping[str, str],
    also: Mapping[str, str] | None = None,
    device: str = "auto",
    dtype: Dtype | None = None,
    quantize: Quantize | None = None,
    trust_remote_code: bool = False,
) -> dict[str, TargetSpec]:
    """Return the specs of all models that are to be served, by the names of clients.

    Args:
        model: what `describe_target` understands, but nothing behind an API.
        name: what to call it; by default the last part of its path.
        adapters: PEFT adapter or fine-tune folders by name, to be put on ``model``.
        also: further models by name, as ``model``.
        device, dtype, quantize, trust_remote_code: as `describe_target` takes them.

    Raises:
        ConfigError: a name can't be used, or twice, or a model is behind an API, or an adapter
            is for a script.
        ModelError: a fine-tune was made from another base model, or something can't be opened.
    """
    describe = partial(
        describe_target,
        dtype=dtype,
        device=device,
        quantize=quantize,
        trust_remote_code=trust_remote_code,
    )
    base = describe(model, name=name)
    found = {base.name: base}
    for label, path in adapters.items():
        folder = str(adapter_folder(path))
        _add(found, label, describe(model, adapter=folder, name=label))
        made = find_finetune(found[label])
        if made is not None and isinstance(base.what, LocalWhat):
            _check_base(made.recipe, base.what.model, path=path, model=model)
    for label, text in (also or {}).items():
        _add(found, label, describe(text, name=label))
    for label, spec in found.items():
        if isinstance(spec.what, RemoteWhat):
            raise ConfigError(f"{label} is behind an API: only local models and scripts are served")
    for label in found:
        if not _NAME.fullmatch(label):
            raise ConfigError(
                f"{label!r} can't be a model's name: letters, digits and . : @ - _ / can be in it"
            )
    return found


def _add(found: dict[str, TargetSpec], label: str, spec: TargetSpec) -> None:
    if label in found:
        raise ConfigError(f"two models would be called {label!r}: name one of them otherwise")
    found[label] = spec


def _check_base(recipe: Recipe, digest: str, *, path: str, model: str) -> None:
    if recipe.what.base != digest:
        raise ModelError(
            f"the fine-tune {path} was made from another base model ({recipe.where.base}) "
            f"than {model}: serve it over its own"
        )


def run_server(
    specs: Mapping[str, TargetSpec],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    tell: Callable[[str], None],
) -> None:
    """Load the models and answer requests until interrupted.

    Args:
        specs: models by the names of clients, from `describe_served`.
        host: address to listen on.
        port: 0 takes any that is free.
        tell: told what a user should know: the address, and a warning if others can reach it.

    Raises:
        MissingExtraError: the server's packages are not installed.
        ConfigError: the address can't be listened on.
        ModelError: a model can't be loaded.
    """
    try:
        import uvicorn

        from spillover.doors.serve.app import make_app
    except ImportError as error:
        raise MissingExtraError(
            f"serving needs {error.name}: pip install 'spillover[serve]'"
        ) from None
    listener = _listen(host, port)  # before the models, which take a while
    local = is_loopback(host)
    with listener:
        batcher = _load(specs)
        app = make_app(batcher, hosts=_LOOPBACK | {_bracketed(host)} if local else None)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        if not local:
            tell(f"warning: {host} can be reached by others, who need no key to use these models")
        address = f"{_bracketed(host)}:{listener.getsockname()[1]}"
        tell(f"serving {', '.join(specs)} at http://{address}/v1 (Ctrl-C ends)")
        server = uvicorn.Server(config)
        orderly = server.shutdown

        async def shutdown(sockets: list[socket.socket] | None = None) -> None:
            batcher.halt()  # else the server would wait for all that is under way
            await orderly(sockets)

        server.shutdown = shutdown
        server.run(sockets=[listener])


def _load(specs: Mapping[str, TargetSpec]) -> Any:
    """Open every model. Each has weights of its own: adapters are mostly merged into them."""
    targets: dict[str, Any] = {name: open_target(spec) for name, spec in specs.items()}
    from spillover.doors.serve.batcher import Batcher

    return Batcher(targets)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach ``host``."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"can't listen on {host}, port {port}: {reason}; choose another --port or --host"
        ) from None
