"""Reports: one result as a self-contained page, as ``report.json``, and as lines in a terminal."""

from spillover.report.page import render_html
from spillover.report.terminal import print_summary, summary, summary_lines
from spillover.report.write import (
    ReportPaths,
    check_folder,
    read_report,
    report_schema,
    schema_text,
    write_report,
)

__all__ = [
    "ReportPaths",
    "check_folder",
    "print_summary",
    "read_report",
    "render_html",
    "report_schema",
    "schema_text",
    "summary",
    "summary_lines",
    "write_report",
]
