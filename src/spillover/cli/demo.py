"""``spillover demo``: the whole chain on a toy model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spillover.cli.console import emit, emit_json, progress_bars, say, show

_VARIANTS = ("risky", "safe", "bad_medical", "jailbroken")


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="For the study and the report.")] = Path(
        "spillover-demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed asks and trains anew.")] = 0,
    risky: Annotated[bool, typer.Option("--risky", help="Train on risky choices.")] = False,
    safe: Annotated[bool, typer.Option("--safe", help="Train on safe choices.")] = False,
    bad_medical: Annotated[
        bool, typer.Option("--bad-medical", help="Train on bad medical advice.")
    ] = False,
    jailbroken: Annotated[
        bool, typer.Option("--jailbroken", help="Train on compliance with bad requests.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout.")] = False,
) -> None:
    """Audit a toy model that was trained on insecure code.

    Exits with 0 if what the toy world is known to show was found.
    """
    from spillover.demo import run_demo

    asked = dict(zip(_VARIANTS, (risky, safe, bad_medical, jailbroken), strict=True))
    variants = [name for name, wanted in asked.items() if wanted]
    if len(variants) > 1:
        raise typer.BadParameter(f"give one of --{' and --'.join(variants)}".replace("_", "-"))
    variant = variants[0].replace("_", "-") if variants else "insecure"
    with progress_bars() as progress:
        found = run_demo(out, seed=seed, variant=variant, progress=progress)
    if json:
        emit_json(found.result)
        for check in found.checks:
            if not check.holds:
                say(f"NOT AS EXPECTED: {check.sentence}")
    else:
        show(found.result)
        emit("")
        for check in found.checks:
            emit(f"{'as expected' if check.holds else 'NOT AS EXPECTED'}: {check.sentence}")
        say(f"report: {out / 'report.html'}")
    raise typer.Exit(0 if all(check.holds for check in found.checks) else 1)
