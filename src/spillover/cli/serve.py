"""``spillover serve``: answer OpenAI-compatible chat requests with a local model."""

from __future__ import annotations

from typing import Annotated

import typer

from spillover.cli.console import say
from spillover.cli.options import Device, Dtype, Quantize, TrustRemoteCode


def serve(
    model: Annotated[str, typer.Argument(help="Model or fine-tune folder, or toy:NAME.")],
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER", help="MODEL with this adapter or fine-tune; may be repeated."
        ),
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
        adapters=_adapters(adapter or []),
        device=device,
        dtype=dtype,
        quantize=quantize,
        trust_remote_code=trust_remote_code,
    )
    run_server(specs, host=host, port=port, tell=say)


def _adapters(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise typer.BadParameter(f"--adapter {text}: give NAME=FOLDER")
        if name in found:
            raise typer.BadParameter(f"two adapters are named '{name}'")
        found[name] = folder
    return found
