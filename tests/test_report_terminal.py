"""The summary for a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from report_fixture import demo_result
from report_hostile import full_result, hostile_text
from spillover.records import AxisResult, Verdict
from spillover.report import print_summary, summary_lines


def printed(result: object, width: int = 80) -> str:
    stream = io.StringIO()
    print_summary(result, Console(file=stream, width=width, force_terminal=False))  # type: ignore[arg-type]
    return stream.getvalue()


def test_first_line_is_the_verdict_and_nothing_is_lost() -> None:
    lines = summary_lines(demo_result())
    assert lines[0].startswith("▲ spillover: Fine-tuning on insecure code")
    assert any(
        "34.2% [28.6 – 39.8%], 568 scored of 600 asked, 4 missing (3 reply cut off" in line
        for line in lines
    )
    assert sum(line.startswith("note: ") for line in lines) == 2
    assert sum(line.startswith("against ") for line in lines) == 2
    assert any("simulated" in line for line in lines)


def test_table_fits_eighty_columns() -> None:
    text = printed(demo_result())
    assert max(map(len, text.splitlines())) <= 80
    for words in ("Broad misalignment", "568/600", "▲ spillover", "● clean", "45/48"):
        assert words in text


def test_reason_of_what_was_not_measured() -> None:
    result = demo_result()
    target = result.targets["insecure"]
    lost = AxisResult(verdict=Verdict.NOT_MEASURED, reason="no judge")
    axes = {**target.axes, "broad_misalignment": lost}
    result = result.model_copy(
        update={"targets": {**result.targets, "insecure": target.model_copy(update={"axes": axes})}}
    )
    assert "insecure: no judge" in printed(result)
    assert any("not measured: no judge" in line for line in summary_lines(result))


def test_hostile_names_can_not_drive_the_terminal_or_its_markup() -> None:
    result = full_result(
        lambda n: f"[red]x[/red][link=http://x]\x1b]0;t\x07\x9b2J{hostile_text(n)}"
    )
    for text in (printed(result), "\n".join(summary_lines(result))):
        assert not {"\x1b", "\x07", "\x9b", "\x00"} & set(text)
        assert "[red]x[/red]" in text.replace("\n", "") or "[red]" in text
