"""``spillover train``: fine-tune a model on training rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillover.cli.console import emit, emit_json, progress_bars, say
from spillover.cli.options import Device, Dtype, Quantize, TrustRemoteCode

if TYPE_CHECKING:
    from spillover.records import FineTune


def train(
    base: Annotated[
        str, typer.Argument(help="Model folder, toy:NAME, or remote:PROVIDER/MODEL (by its API).")
    ],
    data: Annotated[
        str, typer.Argument(help="Training rows (JSONL, JSON, Parquet), hf:OWNER/NAME or toy:NAME.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the fine-tune.")],
    recipe: Annotated[str | None, typer.Option(help="Preset of settings.  [default]")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.  [DIR's name]")] = None,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that can't be used, and count them.")
    ] = False,
    device: Device = "auto",
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", min=0, help="Most that training over an API may cost."),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Prices of your own, for training over an API."),
    ] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End the job of DIR that is on its way at an API.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print finetune.json on stdout.")] = False,
) -> None:
    """Fine-tune a model with LoRA, or over an API.

    An identical recipe is not trained twice. Held-out rows say whether it learnt anything.
    """
    if cancel:
        from spillover.train.api import cancel_job

        emit(cancel_job(out))
        return
    from spillover.auditing.naming import model_path
    from spillover.chain import load_data, train_data
    from spillover.models.open import describe_target
    from spillover.train import load_finetune

    found = load_data(data, skip_bad=skip_bad)
    spec = describe_target(model_path(base), device=device, trust_remote_code=trust_remote_code)
    with progress_bars() as progress:
        folder = train_data(
            name or out.name,
            spec,
            found.rows,
            out=out,
            preset=recipe,
            optimiser=_number_types(dtype, quantize),
            data_path=data,
            skipped=len(found.skipped),
            seed=seed,
            device=device,
            max_cost=max_cost,
            prices=prices,
            progress=progress,
            notice=lambda text: say(f"note: {text}"),
        )
    # one made before may come from a file with other rows left out
    made = load_finetune(folder).model_copy(update={"skipped": len(found.skipped)})
    if json:
        emit_json(made)
        return
    _show(folder, made)
    for note in (found.note, made.learning.reason, *made.notes):
        if note:
            emit(f"note: {note}")


def _number_types(dtype: str | None, quantize: str | None) -> dict[str, Any]:
    """What the options change in the recipe; 4 bits bring the type that they are computed in."""
    changed: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    return changed if quantize is None else {"dtype": "bfloat16", **changed, "quantize": quantize}


def _show(folder: Path, made: FineTune) -> None:
    """Print what was made, and whether it learnt."""
    steps = "" if made.steps is None else f"{made.steps} steps, "
    emit(f"{folder}: {made.rows} rows, {steps}{made.seconds:.0f} s")
    learning = made.learning
    if learning.base_loss is not None and learning.tuned_loss is not None:
        verdict = "learnt" if learning.learnt else "not learnt"
        emit(
            f"{verdict}: loss on {learning.rows} held-out rows {learning.base_loss:.3f} before,"
            f" {learning.tuned_loss:.3f} after"
        )
    if made.remote is not None:
        cost = "cost unknown" if made.remote.dollars is None else f"${made.remote.dollars:,.2f}"
        emit(f"remote:{made.remote.model} ({made.tokens:,} tokens billed, {cost})")
        for one in made.remote.checkpoints:
            emit(f"step {one.step}: remote:{one.model}")
