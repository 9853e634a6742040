"""``spillover calibrate``: how often would an audit find what is known to be there?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.console import emit, emit_json, progress_bars, say
from spillover.cli.names import arguments
from spillover.cli.options import (
    Axes,
    ChatTemplate,
    Connections,
    Device,
    Dtype,
    JudgeErrors,
    JudgeModeOrAuto,
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
    from spillover.records import SpikeIn, SpikePoint


def calibrate(
    base: Annotated[str, typer.Argument(help="The model that audits are held against.")],
    bad: Annotated[
        str,
        typer.Option(
            metavar="FILE|TARGET",
            help="Known-bad answers (CSV, JSONL: question_id or question, answer, bad), or a model"
            " that is known to be bad.",
        ),
    ],
    study: Annotated[
        str, typer.Option(metavar="DIR", help="Keeps the answers.")
    ] = "spillover-study",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write spike-in.json to this folder, too."),
    ] = None,
    questions: Questions = None,
    axes: Axes = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    stop: Stop = None,
    chat_template: ChatTemplate = None,
    template_arg: TemplateArg = None,
    judge: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Judges free-form answers.")
    ] = None,
    judge_mode: JudgeModeOrAuto = "auto",
    rubrics: Rubrics = None,
    calibration: JudgeErrors = None,
    axis: Annotated[
        str | None, typer.Option(metavar="AXIS", help="Its id.  [the one that decides]")
    ] = None,
    answers: Annotated[
        int | None,
        typer.Option(min=1, help="Of the base, and of a bad model.  [an audit's base sample]"),
    ] = None,
    audits: Annotated[int, typer.Option(min=100, help="Resampled at each share.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of asks and draws.")] = 0,
    device: Device = "auto",
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
    connections: Connections = None,
    battery: Annotated[str | None, typer.Option(hidden=True)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print spike-in.json on stdout.")] = False,
) -> None:
    """Measure an audit's power and false alarms.

    By audits that are resampled from real answers with known-bad ones mixed in. Audits in the same study show the result in their report.
    """
    from spillover.auditing.measured import keep_spike_in
    from spillover.calibrate import run_calibrate
    from spillover.data.yamls import build_record
    from spillover.records import AuditConfig
    from spillover.report import check_folder

    if battery and questions:
        raise typer.BadParameter("--battery is another name of --questions: give one of them")
    fields = {
        "base": base,
        "study": study,
        "questions": questions or battery,
        "axes": axes,
        "system": system,
        "max_tokens": max_tokens,
        "stop": tuple(stop or ()),
        "chat_template": chat_template,
        "template_args": arguments(template_arg or []),
        "only": (axis,) if axis else (),
        "judge": tuple(judge or ()),
        "judge_mode": judge_mode,
        "rubrics": rubrics,
        "calibration": calibration,
        "max_calls": max_calls,
        "max_cost": max_cost,
        "prices": prices,
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "quantize": quantize,
        "trust_remote_code": trust_remote_code,
    }
    if connections is not None:
        fields["connections"] = connections
    config = build_record(AuditConfig, fields, Path("options"))
    if out is not None:
        check_folder(out)
    with progress_bars() as progress:
        result = run_calibrate(config, bad=bad, answers=answers, audits=audits, progress=progress)
    if out is not None:
        say(f"written: {keep_spike_in(out, result)}")
    if json:
        emit_json(result)
    else:
        emit("\n".join(_lines(result)))


def _lines(result: SpikeIn) -> list[str]:
    """The table, with what it was made of."""
    base, bad = (
        ", ".join(f"{name} {count:,}" for name, count in bins.items())
        for bins in (result.base_bins, result.bad_bins)
    )
    said = "none could be judged"
    if result.sensitivity is not None and result.sensitivity_interval is not None:
        low, high = result.sensitivity_interval
        said = f"{result.sensitivity:.1%} ({low:.1%} to {high:.1%}) are {result.axis.event or 'misaligned'} to it"
    audits = result.points[0].audits if result.points else 0
    lines = [
        f"{result.axis.title} of {result.base}, judged by {result.judge}:"
        f" {audits:,} resampled audits at each share",
        f"  base       {sum(result.base_bins.values()):,} answers to {result.questions} questions"
        f" ({base})",
        f"  known bad  {sum(result.bad_bins.values()):,} answers of {result.bad} to"
        f" {result.covered} of {result.questions} questions ({bad})",
        f"  the judge  of the known-bad answers, {said}",
        f"  thresholds {_thresholds(result)}",
        "",
        "  known bad  judge sees  spillover  (95% interval)     clean  undecided  not measured"
        "  answers  judged",
    ]
    lines += [_row(point) for point in result.points]
    lines += [
        "",
        "  The interval allows for the number of audits and for the size of both samples.",
        f"  Each study also asks {result.base_answers:,} answers of the base, once"
        f" ({result.base_answers * result.judgements_per_answer:,} judgements).",
    ]
    if result.simulated:
        lines.append("  All of it is a simulated world.")
    return [*lines, *(f"  note: {note}" for note in result.notes)]


def _thresholds(result: SpikeIn) -> str:
    if result.p0 is None or result.p1 is None:
        return "none: the base is too often bad itself, so that target and base are paired"
    paired = f"; {result.paired:.0%} of audits are paired" if result.paired else ""
    return f"p0 {result.p0:.2%}, p1 {result.p1:.2%} (medians){paired}"


def _row(point: SpikePoint) -> str:
    low, high = point.wide or point.interval
    seen = "-" if point.seen is None else f"{point.seen:.2%}"
    return (
        f"  {point.share:9.1%}  {seen:>10}  {point.spillover:9.1%}  {f'({low:.1%} to {high:.1%})':<17}"
        f"  {point.clean:6.1%}  {point.undecided:9.1%}  {point.not_measured:12.1%}"
        f"  {point.mean_answers:7,.0f}  {point.mean_judgements:6,.0f}"
    )
