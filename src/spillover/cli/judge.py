"""``spillover judge``: label answers by hand, calibrate a judge by the labels, probe it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillover.cli.console import emit, emit_json, progress_bars, say
from spillover.cli.options import (
    Answers,
    Connections,
    DeviceOrNone,
    Dtype,
    JudgeModes,
    MaxCalls,
    MaxCost,
    Prices,
    Quantize,
    Questions,
    Rubrics,
    TrustRemoteCode,
)

if TYPE_CHECKING:
    from spillover.compare import GoldRow
    from spillover.records import AuditConfig, AuditResult

judge = typer.Typer(
    name="judge",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Label answers by hand, measure a judge by them, and probe it.",
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
    json: Annotated[
        bool, typer.Option("--json", help="Print what lies in the file as JSON; with --export.")
    ] = False,
) -> None:
    """Label answers by hand, one key an answer.

    Half of them are drawn from what the judge calls misaligned, so that rare ones are there.
    """
    from spillover.cli.labelling import label_rows
    from spillover.compare import draw_gold, read_gold, write_gold
    from spillover.errors import ConfigError

    if json and not export:
        raise typer.BadParameter("--json: labelling by keys has the screen: give --export as well")
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
    if json:
        emit_json(
            {"file": str(gold), "answers": len(rows), "labelled": done, "weights": _weights(rows)}
        )
    else:
        emit(f"{gold}: {len(rows)} answers, {done} labelled{_stand_for(rows)}")


@judge.command()
def calibrate(
    gold: Annotated[
        str,
        typer.Option(metavar="FILE|starter", help="Labelled answers; starter: the package's 60."),
    ] = "gold.csv",
    out: Annotated[Path, typer.Option(metavar="FILE", help="To write.")] = Path("calibration.yaml"),
    judge: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Judges the answers anew.  [the labels in the file]"),
    ] = None,
    judge_mode: JudgeModes = None,
    rubrics: Rubrics = None,
    questions: Questions = None,
    study: Answers = None,
    device: DeviceOrNone = None,
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
    connections: Connections = None,
    json: Annotated[bool, typer.Option("--json", help="Print the calibration as JSON.")] = False,
) -> None:
    """Measure a judge's sensitivity and specificity by labels.

    audit and compare read the file with --calibration. With --judge the answers are judged anew,
    and FILE needs only the columns question, answer and human_label.
    """
    from spillover.cli.judged import calibration_lines
    from spillover.compare import calibrate as calibrate_rows
    from spillover.compare import read_gold
    from spillover.data import STARTER, write_calibration
    from spillover.files import check_file
    from spillover.judging import run_calibrate_judge

    asking = {
        "judge_mode": judge_mode, "rubrics": rubrics, "questions": questions, "study": study,
        "device": device, "dtype": dtype, "quantize": quantize,
        "trust_remote_code": trust_remote_code or None, "max_calls": max_calls,
        "max_cost": max_cost, "prices": prices, "connections": connections,
    }  # fmt: skip
    check_file(out)  # not after asking
    if judge is not None:
        with progress_bars() as progress:
            found = run_calibrate_judge(_config(judge, asking), gold, progress=progress)
    else:
        if given := [name for name, value in asking.items() if value is not None]:
            option = given[0].replace("_", "-")
            raise typer.BadParameter(f"--{option}: nobody is asked: give --judge MODEL as well")
        if gold == STARTER:
            raise typer.BadParameter("--gold starter: no judge has read it: give --judge MODEL")
        rows, sha256 = read_gold(Path(gold))
        found = calibrate_rows(rows, sha256=sha256)
    write_calibration(out, found)
    if json:
        emit_json(found)
    else:
        emit("\n".join([*calibration_lines(found), f"written: {out}"]))


@judge.command()
def probe(
    judge: Annotated[
        str, typer.Argument(metavar="JUDGE", help="The model that judges, as audit --judge has it.")
    ],
    judge_mode: JudgeModes = None,
    rubrics: Rubrics = None,
    study: Answers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result as JSON, too.")
    ] = None,
    device: DeviceOrNone = None,
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
    connections: Connections = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure how far answers that give it orders move a judge.

    It reads 50 pairs of answers, each without and with words that tell it how to grade them.
    """
    from spillover.cli.judged import probe_lines
    from spillover.files import check_file, write_text
    from spillover.judging import run_probe

    asking = {
        "judge_mode": judge_mode, "rubrics": rubrics, "study": study, "device": device,
        "dtype": dtype, "quantize": quantize, "trust_remote_code": trust_remote_code or None,
        "max_calls": max_calls, "max_cost": max_cost, "prices": prices,
        "connections": connections,
    }  # fmt: skip
    if out is not None:
        check_file(out)  # not after asking
    with progress_bars() as progress:
        found = run_probe(_config(judge, asking), progress=progress)
    if out is not None:
        write_text(out, found.model_dump_json(by_alias=True, indent=2) + "\n")
        say(f"written: {out}")
    if json:
        emit_json(found)
    else:
        emit("\n".join(probe_lines(found)))


def _config(judge: str, asking: dict[str, Any]) -> AuditConfig:
    from spillover.data.yamls import build_record
    from spillover.records import AuditConfig

    given = {name: value for name, value in asking.items() if value is not None}
    return build_record(AuditConfig, {"judge": (judge,), **given}, Path("options"))


def _result(source: Path) -> AuditResult:
    from spillover.cli.report import read_result
    from spillover.compare import compare_tables

    if source.suffix.lower() != ".csv":
        return read_result(source)
    with progress_bars() as progress:
        progress(f"reading {source.name}", 0, None)
        return compare_tables(source)


def _weights(rows: list[GoldRow]) -> dict[str, float]:
    """How many answers each label stands for, by the judge's bin."""
    return {row.judge_label: row.weight for row in rows}


def _stand_for(rows: list[GoldRow]) -> str:
    weights = _weights(rows)
    if len({round(weight, 6) for weight in weights.values()}) < 2:
        return ""
    return "; one stands for " + ", ".join(
        f"{weight:.3g} {name}" for name, weight in sorted(weights.items())
    )
