"""Options that several commands have, with one help text each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.names import check_text

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


def _filled(values: list[str] | None) -> list[str] | None:
    if values is not None and "" in values:
        raise typer.BadParameter("an empty text ends nothing: give the text before which to stop.")
    for value in values or ():
        check_text(value)
    return values


def _text(value: str | None) -> str | None:
    if value is not None:
        check_text(value)
    return value


_LONGEST = "Longest answer, in tokens, for all that is sampled.  [by the kind of question]"
System = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        callback=_text,
        help="System prompt for every question without one; judges get none.",
    ),
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help=_LONGEST)]
Stop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT", callback=_filled, help="Answers end before this text; may be repeated."
    ),
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Jinja chat template in place of a local model's own."),
]
TemplateArg = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Tell a local model's chat template (enable_thinking=false); may be repeated.",
    ),
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
