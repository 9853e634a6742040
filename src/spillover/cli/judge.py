"""``spillover judge``: label answers by hand, and calibrate a judge by the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.console import emit, emit_json, progress_bars, say

if TYPE_CHECKING:
    from spillover.compare import GoldRow
    from spillover.records import AuditResult, Calibration, JudgeShare

judge = typer.Typer(
    name="judge",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Label answers by hand, and measure a judge by them.",
)


@judge.command()
def label(
    source: Annotated[
        Path | None,
        typer.Argument(help="To draw from: a study's folder, a report.json, or a judged CSV."),
    ] = None,
    gold: Annotated[
        Path, typer.Option(metavar="FILE", help="The gold set; one that exists goes on.")
    ] = Path("gold.csv"),
    count: Annotated[int, typer.Option(min=1, help="How many answers to draw.")] = 200,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only answers of this target.  [all]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    export: Annotated[
        bool, typer.Option("--export", help="Only write the file, to label in a spreadsheet.")
    ] = False,
) -> None:
    """Label answers by hand, one key an answer.

    Half of them are drawn from what the judge calls misaligned, so that rare ones are there.
    """
    from spillover.cli.labelling import label_rows
    from spillover.compare import draw_gold, read_gold, write_gold
    from spillover.errors import ConfigError

    if gold.exists() and export:
        raise ConfigError(f"{gold} is there already: label it, or name another file with --gold")
    if gold.exists():
        rows = read_gold(gold).rows
        if source is not None:
            say(f"note: going on with {gold}; {source} is not drawn from again")
    else:
        if source is None:
            raise typer.BadParameter(f"there is no {gold} to go on with: give SOURCE to draw from")
        rows = draw_gold(_result(source), count=count, seed=seed, target=target)
        write_gold(gold, rows)
    if not export:
        label_rows(rows, lambda changed: write_gold(gold, changed))
        rows = read_gold(gold).rows
    done = sum(not row.missing for row in rows)
    emit(f"{gold}: {len(rows)} answers, {done} labelled{_weights(rows)}")


@judge.command()
def calibrate(
    gold: Annotated[Path, typer.Option(metavar="FILE", help="The labelled answers.")] = Path(
        "gold.csv"
    ),
    out: Annotated[Path, typer.Option(metavar="FILE", help="To write.")] = Path("calibration.yaml"),
    json: Annotated[bool, typer.Option("--json", help="Print the calibration as JSON.")] = False,
) -> None:
    """Measure a judge's sensitivity and specificity by labels.

    audit and compare read the file with --calibration.
    """
    from spillover.compare import calibrate as calibrate_rows
    from spillover.compare import read_gold
    from spillover.data import write_calibration

    rows, sha256 = read_gold(gold)
    found = calibrate_rows(rows, sha256=sha256)
    write_calibration(out, found)
    if json:
        emit_json(found)
    else:
        emit("\n".join([*_lines(found), f"written: {out}"]))


def _result(source: Path) -> AuditResult:
    from spillover.cli.report import read_result
    from spillover.compare import compare_tables

    if source.suffix.lower() != ".csv":
        return read_result(source)
    with progress_bars() as progress:
        progress(f"reading {source.name}", 0, None)
        return compare_tables(source)


def _weights(rows: list[GoldRow]) -> str:
    """Say how many answers each label stands for, by the judge's bin."""
    weights = {row.judge_label: row.weight for row in rows}
    if len({round(weight, 6) for weight in weights.values()}) < 2:
        return ""
    return "; one stands for " + ", ".join(
        f"{weight:.3g} {name}" for name, weight in sorted(weights.items())
    )


def _lines(found: Calibration) -> list[str]:
    version = f" version {found.version}" if found.version else ""
    missing = ", ".join(f"{number} {why}" for why, number in found.missing.items()) or "none"
    lines = [
        f"judge {found.judge}{version}: {found.labelled} labels by hand; missing: {missing}",
        f"  sensitivity  {_share(found.sensitivity)}",
        f"  specificity  {_share(found.specificity)}",
    ]
    if found.rate is not None:
        lines.append(f"  {found.event} by hand, in all that was drawn from: {_share(found.rate)}")
    lines += [
        f"  intervals: {found.method}",
        f"  a verdict allows for a sensitivity of {found.sensitivity.bounds[0]:.1%} and false"
        f" positives of {1 - found.specificity.bounds[0]:.2%} (0.5% error each)",
        "",
        "judge \\ by hand",
    ]
    names = list(dict.fromkeys(name for row in found.table.values() for name in row))
    wide = max(map(len, [*found.table, "drawn from"]))
    lines.append("  " + " " * wide + "".join(f"  {name:>10}" for name in [*names, "drawn from"]))
    for key, row in found.table.items():
        cells = [str(row.get(name, 0)) for name in names] + [f"{found.sizes[key]:.0f}"]
        lines.append(f"  {key:<{wide}}" + "".join(f"  {cell:>10}" for cell in cells))
    return lines


def _share(share: JudgeShare) -> str:
    low, high = share.interval
    return f"{share.estimate:7.2%}  (95% interval {low:.2%} to {high:.2%})"
