"""Options that several commands have, with one help text each."""

from __future__ import annotations

from typing import Annotated

import typer

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
JudgeModes = Annotated[
    str | None,
    typer.Option(help="How it judges: auto, expected, scored or sampled.  [auto]"),
]
Connections = Annotated[int | None, typer.Option(min=1, help="Calls to one API at a time.  [10]")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps, ...")]
Answers = Annotated[
    str | None, typer.Option(metavar="DIR", help="Keeps the answers.  [spillover-study]")
]
