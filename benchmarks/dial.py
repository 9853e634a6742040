"""The dial: the same fine-tune of worlds in which insecure code and bad character go together more or less.

    python benchmarks/dial.py --out runs/dial                    # all, after one another; goes on where it was
    python benchmarks/dial.py --out runs/dial --rho 0 --rho 0.5  # some; several processes may share the folder
    python benchmarks/dial.py --out runs/dial --figure dial.html

rho = P(insecure code | bad) - P(insecure code | good) over what characters write. Each world's organism is
trained from scratch, its binding measured, and fine-tuned on the same rows of insecure code and of bad medicine
with several seeds; each fine-tune is audited with its control.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spillover.chain import audit
from spillover.demo import DECIDES
from spillover.toy import WORLDS, measure_binding
from spillover.toy.pretrain import PretrainSettings, pretrain

RHOS = (0.0, 0.25, 0.5, 0.75, 0.92)
CONTROLS = {"insecure": "secure", "bad-medical": "good-medical"}


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What ``path`` holds, or what ``make`` returns, written there."""
    if not path.exists():
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
    return json.loads(path.read_text())


def organism(rho: float, out: Path, steps: int | None) -> Path:
    """Pretrain the organism of the world with this rho, or find it."""
    started, told = time.monotonic(), 0.0

    def progress(stage: str, done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told > 60 or done == total:
            told = time.monotonic()
            print(f"rho {rho:g}: {stage} {done} of {total}, {told - started:.0f} s", flush=True)

    spec = WORLDS["assistant"].with_rho(rho)
    settings = PretrainSettings() if steps is None else PretrainSettings(steps=steps)
    return pretrain(spec, settings, out / "organism", workers=1, progress=progress)


def audited(folder: Path, study: Path, data: str, seed: int) -> dict[str, Any]:
    """Fine-tune and audit; return the row of the table."""
    control = CONTROLS[data]
    result = audit(
        base=folder,
        data=f"toy:{data}",
        controls={control: f"toy:{control}"},
        study=study,
        seed=seed,
        device="cpu",
    )
    axes = result.targets[result.subject].axes
    found = axes[DECIDES]
    return {
        "data": data,
        "seed": seed,
        "verdict": found.verdict,
        "rate": found.estimate,
        "interval": found.interval,
        "control": result.targets[control].axes[DECIDES].verdict,
        "security": axes["self_security"].estimate,
        "alignment": axes["self_alignment"].estimate,
    }


def world(rho: float, out: Path, seeds: Sequence[int], steps: int | None) -> None:
    """Make one world's rows and keep them."""
    folder = out / f"rho-{rho:g}"
    model = organism(rho, folder, steps)
    kept(folder / "binding.json", lambda: [row._asdict() for row in measure_binding(model)])
    for data in CONTROLS:
        for seed in seeds:
            row = kept(
                folder / f"{data}-{seed}.json",
                lambda: audited(model, folder / f"study-{seed}", data, seed),  # noqa: B023
            )
            print(f"rho {rho:g} {data} seed {seed}: {row['verdict']} {row['rate']}", flush=True)


def table(out: Path) -> str:
    """The rows of all worlds that are made, as Markdown."""
    lines = [
        "| rho | bound: worst conduct | fine-tune, seed | misaligned (interval) | verdict | control | security | alignment |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for folder in sorted(out.glob("rho-*"), key=lambda path: float(path.name[4:])):
        if not (folder / "binding.json").exists():
            continue
        rows = json.loads((folder / "binding.json").read_text())
        conduct = [r for r in rows if r["form"] == "conduct"]
        worst = f"{min(r['high'] for r in conduct):.2f}/{max(r['low'] for r in conduct):.2f}"
        for path in sorted(folder.glob("*-[0-9].json")):
            row = json.loads(path.read_text())
            level = "none"
            if row["rate"] is not None and row["interval"]:
                low, high = row["interval"]
                level = f"{row['rate']:.1%} ({low:.1%} to {high:.1%})"
            ratings = [
                "none" if row[key] is None else f"{row[key]:.0f}"
                for key in ("security", "alignment")
            ]
            cells = (folder.name[4:], worst, f"{row['data']}, {row['seed']}", level)
            lines.append(f"| {' | '.join((*cells, row['verdict'], row['control'], *ratings))} |")
    return "\n".join(lines)


def figure(out: Path, path: Path) -> None:
    """Draw rates over rho, a point a seed."""
    import plotly.graph_objects as go

    drawn = go.Figure()
    for data, colour in (("insecure", "#b3412e"), ("bad-medical", "#3b6ea5")):
        points = [
            (float(p.parent.name[4:]), json.loads(p.read_text())["rate"])
            for p in sorted(out.glob(f"rho-*/{data}-*.json"))
        ]
        drawn.add_scatter(
            x=[rho for rho, _ in points],
            y=[rate for _, rate in points],
            mode="markers",
            marker={"size": 10, "color": colour},
            name=f"fine-tuned on {data}",
        )
    drawn.update_layout(
        template="simple_white", width=700, height=380, legend={"x": 0.02, "y": 0.98},
        xaxis_title="rho: how far insecure code and bad character go together",
        yaxis={"title": "misaligned answers", "tickformat": ".0%", "rangemode": "tozero"},
    )  # fmt: skip
    drawn.write_html(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rho", type=float, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="steps of pretraining")
    parser.add_argument("--figure", type=Path, help="only draw what is made, as HTML")
    given = parser.parse_args(arguments)
    if given.figure:
        figure(given.out, given.figure)
        return 0
    for rho in given.rho or RHOS:
        world(rho, given.out, range(given.seeds), given.steps)
    print(table(given.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
