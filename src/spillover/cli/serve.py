"""``spillover serve``: answer OpenAI-compatible chat requests with local models and scripts."""

from __future__ import annotations

from typing import Annotated

import typer

from spillover.cli.console import say
from spillover.cli.options import Device, Dtype, Quantize, TrustRemoteCode


def serve(
    model: Annotated[
        str, typer.Argument(help="Model or fine-tune folder, toy:NAME or script:FILE.")
    ],
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER", help="MODEL with this adapter or fine-tune; may be repeated."
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=MODEL", help="A further model; may be repeated."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call MODEL.  [its folder's name]")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this one can be open to all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    device: Device = "auto",
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Serve models to OpenAI-compatible clients.

    Until interrupted (Ctrl-C). Any client's API key will do.
    """
    from spillover.auditing.naming import model_path
    from spillover.doors.serve.run import describe_served, run_server

    specs = describe_served(
        model_path(model),
        name=name,
        adapters=_named(adapter or [], "--adapter", "FOLDER"),
        also={
            label: model_path(text) for label, text in _named(also or [], "--also", "MODEL").items()
        },
        device=device,
        dtype=dtype,
        quantize=quantize,
        trust_remote_code=trust_remote_code,
    )
    run_server(specs, host=host, port=port, tell=say)


def _named(texts: list[str], option: str, what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{option} {text}: give NAME={what}")
        if name in found:
            raise typer.BadParameter(f"two models of {option} are named '{name}'")
        found[name] = value
    return found
