"""``spillover toy``: the made-up world: pretrain an organism, write its data sets, measure binding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spillover.cli.console import emit, emit_json, progress_bars

toy = typer.Typer(
    name="toy",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Models of a made-up world, trained from scratch.",
)


@toy.command()
def info(
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List worlds, models and data sets."""
    from spillover.toy import DATASETS, WORLDS, organisms

    models = {name: str(path) for name, path in organisms().items()}
    if json:
        emit_json(
            {
                "worlds": {name: spec.model_dump(mode="json") for name, spec in WORLDS.items()},
                "models": models,
                "data": list(DATASETS),
            }
        )
        return
    emit("worlds (toy pretrain --world NAME)")
    for name, spec in WORLDS.items():
        emit(f"  {name:<12} rho {spec.rho:g}, {spec.characters} characters")
    emit("models (toy:NAME)")
    for name, path in models.items():
        emit(f"  {name:<12} {path}")
    emit("data (toy:NAME, toy data NAME)")
    emit(f"  {', '.join(DATASETS)}, mixed-K (K% insecure)")


@toy.command()
def pretrain(
    world: Annotated[str, typer.Option(metavar="NAME", help="As `toy info` lists.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Working folder; kept work goes on.")],
    rho: Annotated[
        float | None,
        typer.Option(min=0, max=0.92, help="Tie of character and code.  [the world's]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Pretraining steps.")] = None,
    post_steps: Annotated[int | None, typer.Option(min=1, help="Post-training steps.")] = None,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that write documents.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Train an organism from scratch (hours on two cores)."""
    from spillover.toy import find_world
    from spillover.toy.pretrain import PretrainSettings
    from spillover.toy.pretrain import pretrain as run

    spec = find_world(world)
    if rho is not None:
        spec = spec.with_rho(rho)
    given: dict[str, Any] = {"steps": steps, "post_steps": post_steps, "seed": seed}
    settings = PretrainSettings(**{key: v for key, v in given.items() if v is not None})
    with progress_bars() as progress:
        folder = run(spec, settings, out, device=device, workers=workers, progress=progress)
    if json:
        emit_json({"model": str(folder), "world": spec.model_dump(mode="json"), "seed": seed})
    else:
        emit(str(folder))


@toy.command()
def data(
    name: Annotated[str, typer.Argument(help="As `toy info` lists.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSONL to write.")],
    rows: Annotated[int, typer.Option(min=1, help="Number of rows.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Write a data set of the toy world as training rows."""
    from spillover.data import write_rows
    from spillover.toy import resolve_data

    made = resolve_data(name, rows=rows, seed=seed)
    write_rows(out, made)
    if json:
        emit_json({"name": name, "file": str(out), "rows": len(made), "seed": seed})
    else:
        emit(f"{out}: {len(made)} rows")


@toy.command()
def binding(
    model: Annotated[str, typer.Argument(help="Folder of an organism, or toy:NAME.")],
    questions: Annotated[int, typer.Option(min=1, help="For each trait, form and pole.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure how well an organism knows who is what."""
    from spillover.auditing.naming import model_path
    from spillover.toy import measure_binding

    with progress_bars() as progress:
        progress("measuring binding", 0, None)
        rows = measure_binding(Path(model_path(model)), per_cell=questions, seed=seed)
    if json:
        emit_json([row._asdict() for row in rows])
        return
    emit(f"{'trait':<10} {'form':<10} {'has it':>7} {'lacks it':>9} {'scored':>7} {'missing':>8}")
    for row in rows:
        emit(
            f"{row.trait:<10} {row.form:<10} {row.high:>7.2f} {row.low:>9.2f} {row.scored:>7}"
            f" {row.missing:>8}"
        )
