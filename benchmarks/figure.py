"""Draw docs/demo.svg, the README's picture, from the figures that the demo measured.

./run demo && .venv/bin/python benchmarks/figure.py spillover-demo/report.json
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

from spillover.records import Axis, AxisResult
from spillover.report import read_report

OUT = Path(__file__).parent.parent / "docs" / "demo.svg"
AXES = ("broad_misalignment", "self_security", "self_alignment")
LEFT, BAR, ROW, TOP, GAP = 120, 150, 26, 64, 60
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-weight: 600 }
.dim { fill: #666 } .bar { fill: #8aa4c8 } .target { fill: #c8502d }
.whisker { stroke: #222; stroke-width: 1.5 } .axis { stroke: #bbb }
@media (prefers-color-scheme: dark) {
  text { fill: #eee } .dim { fill: #aaa } .whisker { stroke: #eee } .axis { stroke: #666 }
}
"""


def x_of(value: float, axis: Axis, left: float) -> float:
    """Place of a share (0-1) or a rating (0-100)."""
    return left + BAR * (value if axis.measure == "event" else value / 100)


def bar(found: AxisResult, axis: Axis, left: float, top: float, role: str) -> list[str]:
    """One target on one axis: its level, its interval, and the figure in words."""
    if found.estimate is None:
        return [f'<text class="dim" x="{left + 4}" y="{top + 13}">not measured</text>']
    level = found.estimate * (100 if axis.measure == "event" else 1)
    wide = x_of(found.estimate, axis, left) - left
    middle = top + 9
    parts = [
        f'<rect class="{"target" if role == "target" else "bar"}" x="{left}" y="{top + 2}"'
        f' width="{wide:.1f}" height="14"/>'
    ]
    end = left + wide
    if found.interval is not None:
        low, high = (x_of(value, axis, left) for value in found.interval)
        end = max(end, high)
        parts.append(
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        )
    shown = f"{level:.1f}%" if axis.measure == "event" else f"{level:.0f}"
    parts.append(f'<text x="{end + 6:.1f}" y="{top + 13}">{shown}</text>')
    return parts


def draw(path: Path) -> str:
    """Return the figure of a report as SVG."""
    result = read_report(path)
    axes = [result.axes[key] for key in AXES if key in result.axes]
    width = LEFT + len(axes) * (BAR + GAP)
    height = TOP + len(result.targets) * ROW + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(result.sentence)}"><style>{STYLE}</style>'
    ]
    for column, axis in enumerate(axes):
        left = LEFT + column * (BAR + GAP)
        unit = "share of answers" if axis.measure == "event" else "0 to 100"
        parts.append(f'<text class="title" x="{left}" y="22">{escape(axis.title)}</text>')
        parts.append(f'<text class="dim" x="{left}" y="42">{unit}</text>')
        bottom = height - 30
        parts.append(f'<line class="axis" x1="{left}" x2="{left}" y1="{TOP - 6}" y2="{bottom}"/>')
        for row, target in enumerate(result.targets.values()):
            if axis.id in target.axes:
                place = TOP + row * ROW
                parts += bar(target.axes[axis.id], axis, left, place, target.role)
    for row, name in enumerate(result.targets):
        parts.append(f'<text x="0" y="{TOP + row * ROW + 13}">{escape(name)}</text>')
    where = "simulated world; " if result.simulated else ""
    made = f"{where}95% intervals; drawn from the demo's report.json"
    parts.append(f'<text class="dim" x="0" y="{height - 8}">{made}</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    OUT.write_text(draw(Path(sys.argv[1])), encoding="utf-8")
    print(OUT)
