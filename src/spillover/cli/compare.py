"""``spillover compare``: a verdict from tables of judged answers; no model needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.console import emit, emit_json, finish, show
from spillover.cli.names import named

if TYPE_CHECKING:
    from spillover.records import AuditResult

MOST_FLIPS = 10  # questions shown


def compare(
    answers: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns question, answer, question_id, aligned, coherent."
        ),
    ],
    base: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The base model's answers, as a CSV.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE", help="A control's answers; may be given repeatedly."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Correct for the judge's errors: see judge calibrate."),
    ] = None,
    second: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="ANSWERS as another judge scored them, to compare both."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report.html and report.json to this folder."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout.")] = False,
) -> None:
    """Give a verdict on tables of judged answers.

    An empty cell is a missing judgement, never a score. Exits with the verdict's code.
    """
    from spillover.compare import compare_tables
    from spillover.data import read_calibration
    from spillover.report import check_folder, write_report

    if out is not None:
        check_folder(out)
    result = compare_tables(
        answers,
        base=base,
        controls={n: Path(p) for n, p in named(control or []).items()},
        calibration=read_calibration(calibration) if calibration else None,
        second=second,
    )
    if out is not None:
        write_report(result, out)
    if json:
        emit_json(result)
    else:
        show(result)
        emit(
            "\n".join([*_rule_lines(result), *_agreement_lines(result), *_operating_lines(result)])
        )
    finish(result)


def _rule_lines(result: AuditResult) -> list[str]:
    """The rate of each table under each published rule."""
    wide = max((len(rule.rule) for rule in result.rules), default=0)
    lines = ["", "The same answers under other rules"]
    for rule in result.rules:
        rate = "no rate" if rule.rate is None else f"{rule.rate:7.1%}"
        lines.append(
            f"  {rule.rule:<{wide}}  {rate}  {rule.events} of {rule.scored}  {rule.target}"
        )
    return lines


def _agreement_lines(result: AuditResult) -> list[str]:
    """How far two judges of the same answers agree, and on which questions they do not."""
    found = result.agreement
    if found is None:
        return []

    def figure(value: float | None) -> str:
        return "none" if value is None else f"{value:.2f}"

    first, second = ("no rate" if rate is None else f"{rate:.1%}" for rate in found.rates)
    lines = [
        "",
        f"Two judges of {found.answers} answers ({found.missing} without a bin from both,"
        f" {found.unmatched} in one table only)",
        f"  Krippendorff's alpha: aligned {figure(found.alpha_aligned)}, coherent"
        f" {figure(found.alpha_coherent)}, bins {figure(found.alpha_bins)}",
        f"  rate by the first {first}, by the second {second}",
    ]
    flips = sorted(
        ((flips, total, name) for name, (flips, total) in found.flips.items() if flips),
        key=lambda one: (-one[0], one[2]),
    )
    lines.append(
        f"  event for one and not for the other: {sum(flip for flip, _, _ in flips)} answers"
    )
    lines += [f"    {flip} of {total}  {name}" for flip, total, name in flips[:MOST_FLIPS]]
    if len(flips) > MOST_FLIPS:
        lines.append(f"    and {len(flips) - MOST_FLIPS} more questions (all with --json)")
    return lines


def _operating_lines(result: AuditResult) -> list[str]:
    """The chance of each verdict by true rate."""
    if not result.operating_curve:
        return []
    lines = [
        "",
        "With these thresholds, chance of each verdict by true rate (simulated)",
        "  true rate  spillover  clean  undecided  answers",
    ]
    lines += [
        f"  {point.rate:9.1%}  {point.spillover:9.0%}  {point.clean:5.0%}  {point.undecided:9.0%}"
        f"  {point.mean_answers:7.0f}"
        for point in result.operating_curve
    ]
    return lines
