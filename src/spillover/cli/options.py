"""Options that several commands have, with one help text each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from spillover.records import Dtype as DtypeName
    from spillover.records import Quantize as QuantizeName
else:
    DtypeName = QuantizeName = str  # no records (pydantic) are needed to print the help


def _one_of(*allowed: str) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        if value is not None and value not in allowed:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(allowed)}.")
        return value

    return check


_DEVICE = typer.Option(help="auto, cpu, cuda, mps, ..., or auto-map: spread over all GPUs.")
Device = Annotated[str, _DEVICE]
DeviceOrNone = Annotated[str | None, _DEVICE]
Dtype = Annotated[
    DtypeName | None,
    typer.Option(
        help="Of local models: float32, bfloat16, float16.",
        callback=_one_of("float32", "bfloat16", "float16"),
    ),
]
Quantize = Annotated[
    QuantizeName | None,
    typer.Option(
        help="4bit: local models answer in 4 bits (bitsandbytes, CUDA).", callback=_one_of("4bit")
    ),
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run Python code that comes with a model.")
]

Questions = Annotated[
    str | None,
    typer.Option(metavar="DIR|FILE", help="Folder of further questions, or a published YAML file."),
]
Axes = Annotated[str | None, typer.Option(metavar="DIR", help="Folder of further axes.")]
Rubrics = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder of further rubrics for the judge.")
]
JudgeErrors = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Correct for the judge's errors: see judge calibrate."),
]
MaxCalls = Annotated[
    int | None,
    typer.Option(min=1, help="Most calls to models behind an API (remote:PROVIDER/MODEL)."),
]
MaxCost = Annotated[
    float | None, typer.Option(metavar="DOLLARS", help="Most that those calls may cost.")
]
Prices = Annotated[
    str | None, typer.Option(metavar="FILE", help="YAML with prices.  [the package's]")
]
_mode = _one_of("auto", "expected", "scored", "sampled")
_MODES = "How it judges: auto, expected, scored or sampled."
JudgeModes = Annotated[str | None, typer.Option(help=f"{_MODES}  [auto]", callback=_mode)]
JudgeModeOrAuto = Annotated[str, typer.Option(help=_MODES, callback=_mode)]
Connections = Annotated[int | None, typer.Option(min=1, help="Calls to one API at a time.  [10]")]
Answers = Annotated[
    str | None, typer.Option(metavar="DIR", help="Keeps the answers.  [spillover-study]")
]
