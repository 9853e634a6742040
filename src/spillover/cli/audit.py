"""``spillover audit``: from a base model and training data, or a fine-tune, to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillover.cli.console import emit_json, finish, progress_bars, say, show
from spillover.cli.names import arguments, named
from spillover.cli.options import (
    Answers,
    Axes,
    ChatTemplate,
    Connections,
    DeviceOrNone,
    Dtype,
    JudgeErrors,
    JudgeModes,
    MaxCalls,
    MaxCost,
    MaxTokens,
    Prices,
    Quantize,
    Questions,
    Rubrics,
    Stop,
    System,
    TemplateArg,
    TrustRemoteCode,
)

if TYPE_CHECKING:
    from spillover.records import AuditConfig


def audit(
    target: Annotated[
        str | None,
        typer.Argument(
            help="Fine-tune, adapter or model folder, toy:NAME, script:FILE,"
            " remote:PROVIDER/MODEL, or training rows"
            " (*.jsonl, *.json, *.parquet, hf:OWNER/NAME) for a fine-tune to be made."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="The model it was made from; an adapter may name it itself.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The rows it was trained on; without TARGET: to train on.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH", help="A control: model or rows; may be given repeatedly."
        ),
    ] = None,
    study: Answers = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="For the report.  [the study's folder]")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Preset for fine-tunes to be made.  [default]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of fine-tunes and asks.  [0]")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="AXIS", help="Measure only this; may be repeated.")
    ] = None,
    questions: Questions = None,
    axes: Axes = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    stop: Stop = None,
    chat_template: ChatTemplate = None,
    template_arg: TemplateArg = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL", help="Judges free-form answers; may be repeated, the first decides."
        ),
    ] = None,
    judge_mode: JudgeModes = None,
    cascade: Annotated[
        bool,
        typer.Option(
            "--cascade", help="The second judge reads only what the first calls misaligned."
        ),
    ] = False,
    cascade_sample: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of the rest, drawn for the second judge as well; above 0 unless --calibration"
            " says what the cascade misses.  [1/3; 0 with --calibration]",
        ),
    ] = None,
    rubrics: Rubrics = None,
    calibration: JudgeErrors = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that can't be used, and count them.")
    ] = False,
    device: DeviceOrNone = None,
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
    connections: Connections = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML with these settings; options override it."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout.")] = False,
) -> None:
    """Find out what else a fine-tune learnt.

    The same command after an interruption goes on where it was. Writes report.html and
    report.json, and exits with the verdict's code.
    """
    from spillover.chain import run_audit
    from spillover.report import check_folder, write_report

    given = {
        "target": target,
        "base": base,
        "data": data,
        "controls": named(control) if control else None,
        "study": study,
        "out": out,
        "recipe": recipe,
        "seed": seed,
        "only": tuple(only) if only else None,
        "questions": questions,
        "axes": axes,
        "system": system,
        "max_tokens": max_tokens,
        "stop": tuple(stop) if stop else None,
        "chat_template": chat_template,
        "template_args": arguments(template_arg) if template_arg else None,
        "judge": tuple(judge) if judge else None,
        "judge_mode": judge_mode,
        "cascade": cascade or None,
        "cascade_sample": cascade_sample,
        "rubrics": rubrics,
        "calibration": calibration,
        "skip_bad": skip_bad or None,
        "device": device,
        "dtype": dtype,
        "quantize": quantize,
        "trust_remote_code": trust_remote_code or None,
        "max_calls": max_calls,
        "max_cost": max_cost,
        "prices": prices,
        "connections": connections,
    }
    order = _order(config, {key: value for key, value in given.items() if value is not None})
    out_folder = Path(order.out or order.study)
    if order.out:  # the study says itself what is wrong with its folder
        check_folder(out_folder)  # not after an hour of asking
    with progress_bars() as progress:
        result = run_audit(order, progress=progress, notice=_note, estimate=_note)
    paths = write_report(result, out_folder)
    if json:
        emit_json(result)
    else:
        show(result)
        say(f"report: {paths.html}")
    finish(result)


def _note(text: str) -> None:
    say(f"note: {text}")


def _order(path: Path | None, given: dict[str, Any]) -> AuditConfig:
    """Return the settings in ``path`` with those on the command line in their place."""
    from spillover.data.yamls import build_record, fields_of, parse_yaml
    from spillover.files import read_text
    from spillover.records import AuditConfig

    fields: dict[str, Any] = {}
    if path is not None:
        value = parse_yaml(read_text(path), path)
        fields = {} if value is None else fields_of(value, path)  # an empty file sets nothing
    elif "target" not in given and "data" not in given:
        raise typer.BadParameter("nothing to audit: give TARGET, or --data and --base, or --config")
    return build_record(AuditConfig, {**fields, **given}, path or Path("options"))
