"""The result for a terminal: the verdict in one sentence, the axes by target, the notes."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from spillover.records import AuditResult, Verdict
from spillover.report import axes_view, words
from spillover.report.axes_view import AxisRow, AxisTable

# A sign beside the colour: colour alone does not reach every reader.
SIGNS = {
    Verdict.SPILLOVER: "▲",
    Verdict.CLEAN: "●",
    Verdict.UNDECIDED: "◐",
    Verdict.NOT_MEASURED: "○",
}
_STYLES = {
    Verdict.SPILLOVER: "bold red",
    Verdict.CLEAN: "bold blue",
    Verdict.UNDECIDED: "bold yellow",
    Verdict.NOT_MEASURED: "bold bright_black",
}


def summary_lines(result: AuditResult) -> list[str]:
    """Return the result as plain lines of text: verdict, axes by target, reasons, notes."""
    lines = [f"{SIGNS[result.verdict]} {result.verdict.value}: {words.printable(result.sentence)}"]
    if result.simulated:
        lines.append("  (a simulated world: a toy model, not a finding about a real one)")
    for table in _tables(result):
        lines += ["", f"{table.title} ({table.unit})"]
        wide = max(len(row.who.name) for row in table.rows)
        lines += [f"  {row.who.name:<{wide}}  {_row_line(row)}" for row in table.rows]
    if because := _because(result):
        lines += ["", *because]
    if result.notes:
        lines += ["", *(f"note: {words.printable(note)}" for note in result.notes)]
    return lines


def summary(result: AuditResult) -> Group:
    """Return the same as a rich renderable, with a table for the axes."""
    head = Text.assemble(
        (f" {SIGNS[result.verdict]} {result.verdict.value} ", _STYLES[result.verdict] + " reverse"),
        "  ",
        (words.printable(result.sentence), "bold"),
    )
    parts: list[Text | Table] = [head]
    if result.simulated:
        parts.append(Text("A simulated world: a toy model, not a finding about a real one.", "dim"))
    parts += _axis_tables(result)
    parts += [Text(line) for line in ("", *_because(result))]
    parts += [Text(f"note: {words.printable(note)}", "dim") for note in result.notes]
    return Group(*parts)


def print_summary(result: AuditResult, console: Console | None = None) -> None:
    """Print `summary`."""
    (console or Console()).print(summary(result))


def _tables(result: AuditResult) -> list[AxisTable]:
    axes = axes_view.ordered_axes(result)
    return [found for axis in axes if (found := axes_view.table(result, axis))]


def _axis_tables(result: AuditResult) -> list[Text | Table]:
    tables = _tables(result)
    wide = max((len(row.who.name) for table in tables for row in table.rows), default=0)
    parts: list[Text | Table] = []
    for number, found in enumerate(tables):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=number == 0)
        table.add_column("", width=min(wide, 24) + 2)
        table.add_column("", width=14)
        for name, width in (("level", 6), ("95%", 14), ("scored/asked", 13), ("missing", 7)):
            table.add_column(name, justify="right", no_wrap=True, width=width)
        for row in found.rows:
            table.add_row(Text(f"  {row.who.name}"), _verdict_text(row), *map(Text, _figures(row)))
        title = Text.assemble((found.title, "bold"), "  ", (found.unit, "dim"))
        parts += [Text(""), title, table]
        parts += [
            Text(f"  {row.who.name}: {row.reason}", "dim") for row in found.rows if row.reason
        ]
        parts += [
            Text(f"  {row.who.name}: {_beside(row).removeprefix(', ')}", "dim")
            for row in found.rows
            if row.corrected or row.powered
        ]
    return parts


def _verdict_text(row: AxisRow) -> Text:
    if row.verdict is None:
        return Text("")
    return Text(f"{SIGNS[row.verdict]} {row.verdict.value}", _STYLES[row.verdict])


def _figures(row: AxisRow) -> tuple[str, ...]:
    return (row.level, row.span, f"{row.scored}/{row.asked}", row.missing)


def _row_line(row: AxisRow) -> str:
    missing = f"{row.missing} missing"
    if row.missing_reasons:
        missing += f" ({row.missing_reasons})"
    span = f" [{row.span}]" if row.span else ""
    if row.at_least:
        span += f" at least ({row.at_least})"
    line = f"{row.level}{span}{_beside(row)}, {row.scored} scored of {row.asked} asked, {missing}"
    if row.verdict is not None:
        line += f"; {row.verdict.value}" + (f": {row.reason}" if row.reason else "")
    return line


def _beside(row: AxisRow) -> str:
    """The rates that stand beside the judge's own."""
    corrected = f", corrected {row.corrected}" if row.corrected else ""
    return corrected + (f", {row.powered_by} {row.powered}" if row.powered else "")


def _because(result: AuditResult) -> list[str]:
    return [
        f"against {words.printable(line.control)}: {words.printable(line.sentence)}"
        for axis in axes_view.ordered_axes(result)
        for _, row in axes_view.on_axis(result, axis.id)
        for line in row.because
    ]
