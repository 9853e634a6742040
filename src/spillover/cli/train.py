"""``spillover train``: fine-tune a model on training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spillover.cli.console import emit, emit_json, progress_bars


def train(
    base: Annotated[str, typer.Argument(help="Model folder, or toy:NAME.")],
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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps, ...")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print finetune.json on stdout.")] = False,
) -> None:
    """Fine-tune a model with LoRA.

    An identical recipe is not trained twice. Held-out rows say whether it learnt anything.
    """
    from spillover.chain import load_data, model_path, train_data
    from spillover.models.open import describe_target
    from spillover.train import load_finetune

    found = load_data(data, skip_bad=skip_bad)
    spec = describe_target(model_path(base), device=device)
    with progress_bars() as progress:
        folder = train_data(
            name or out.name,
            spec,
            found.rows,
            out=out,
            preset=recipe,
            data_path=data,
            skipped=len(found.skipped),
            seed=seed,
            device=device,
            progress=progress,
        )
    # one made before may come from a file with other rows left out
    made = load_finetune(folder).model_copy(update={"skipped": len(found.skipped)})
    if json:
        emit_json(made)
        return
    learning = made.learning
    emit(f"{folder}: {made.rows} rows, {made.steps} steps, {made.seconds:.0f} s")
    if learning.base_loss is not None and learning.tuned_loss is not None:
        verdict = "learnt" if learning.learnt else "not learnt"
        emit(
            f"{verdict}: loss on {learning.rows} held-out rows {learning.base_loss:.3f} before,"
            f" {learning.tuned_loss:.3f} after"
        )
    for note in (found.note, learning.reason, *made.notes):
        if note:
            emit(f"note: {note}")
