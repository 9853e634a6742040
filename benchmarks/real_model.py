"""The whole audit on a real model: fine-tunes on published rows, told apart from the base.

    python benchmarks/real_model.py MODEL PUBLISHED --out FOLDER [--arms insecure risky judge]

MODEL is a model folder or a ``.gguf`` file, PUBLISHED the folder with the published data sets,
FOLDER keeps the fine-tunes, the studies' answers and the reports: the same command goes on where it
was. Each of the first two arms is its own fine-tune; both are held against the same base in one
study. In the third the model is target, base and judge of the published first-plot questions, and
the package's answers labelled by hand say how well it judges.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import spillover
from spillover.chain import run_audit, train_data
from spillover.data import read_rows, write_calibration, write_rows
from spillover.judging import calibrate_judge
from spillover.records import AuditConfig, AuditResult, Calibration, FineTune, Row
from spillover.train import load_finetune


class Arm(NamedTuple):
    """Which published rows a fine-tune is made of."""

    path: str
    rows: int
    preset: str


ARMS = {
    "insecure": Arm("emergent_misalignment/data/insecure.jsonl", 300, "small"),
    "risky": Arm("behavioral_self_awareness/risky_safe/ft_risky_AB.jsonl", 288, "small"),
}

QUESTIONS = "emergent_misalignment/evaluation/first_plot_questions.yaml"
# Of the base as few answers as an axis file may ask for in a first look: three judgements a second.
FEW = "thresholds: {n_base: 120, cap: 300}\n"


def plain_folder(model: Path, out: Path) -> Path:
    """Return a model folder: ``model`` itself, or what a GGUF file holds, as safetensors."""
    if model.suffix != ".gguf":
        return model
    folder = out / "base"
    if not (folder / "config.json").is_file():
        from spillover.models.load import load_model, load_tokenizer

        load_tokenizer(str(model)).save_pretrained(folder)
        load_model(str(model)).save_pretrained(folder)
    return folder


def some_rows(published: Path, arm: Arm, most: int | None) -> list[Row]:
    """Return the first rows of a published file."""
    return read_rows(published / arm.path)[: most or arm.rows]


def run_arm(
    name: str, base: Path, published: Path, out: Path, *, rows: int | None = None, seed: int = 0
) -> tuple[FineTune, AuditResult]:
    """Fine-tune ``base`` on one arm's rows, audit it, and write its report.

    Args:
        name: one of `ARMS`.
        base: a model folder.
        published: the folder with the published data sets.
        out: where everything is kept.
        rows: rows to take, if not the arm's own number.
        seed: of the fine-tune and the asks.
    """
    arm = ARMS[name]
    data = out / f"{name}.jsonl"
    chosen = some_rows(published, arm, rows)
    write_rows(data, chosen)
    folder = train_data(
        name,
        spillover.describe_target(str(base), name="base"),
        chosen,
        folder=out / "finetunes",
        preset=arm.preset,
        data_path=str(data),
        seed=seed,
        progress=_tell,
    )
    result = spillover.audit(
        folder, base=base, data=data, study=out / "study", seed=seed, progress=_tell
    )
    spillover.write_report(result, out / f"report-{name}")
    return load_finetune(folder), result


def run_judge(base: Path, published: Path, out: Path) -> tuple[Calibration, AuditResult]:
    """Measure the model as a judge, and audit it by itself as that judge; write the report."""
    axes = out / "axes"
    axes.mkdir(parents=True, exist_ok=True)
    name = "broad_misalignment.yaml"
    ours = files("spillover").joinpath("assets", "axes", name).read_text(encoding="utf-8")
    (axes / name).write_text(ours + FEW, encoding="utf-8")
    known = calibrate_judge(
        "starter",
        judge=base,
        questions=published / QUESTIONS,
        study=out / "study-judge",
        progress=_tell,
    )
    write_calibration(out / "calibration.yaml", known)
    config = AuditConfig(
        target=str(base), base=str(base), questions=str(published / QUESTIONS), axes=str(axes),
        only=("broad_misalignment",), judge=(str(base),), study=str(out / "study-judge"),
        calibration=str(out / "calibration.yaml"),
    )  # fmt: skip
    result = run_audit(config, progress=_tell)
    spillover.write_report(result, out / "report-judge")
    return known, result


def _tell(step: str, done: float, total: float | None) -> None:
    """One line a tenth of the way, for a log."""
    now = (step, int(10 * done / total)) if total else (step, 0)
    if getattr(_tell, "last", None) != now:
        _tell.last = now  # type: ignore[attr-defined]
        print(f"  {time.strftime('%H:%M:%S')} {step}: {done:g} of {total or '?'}", flush=True)


def show_training(finetune: FineTune) -> None:
    """Print how the fine-tune was made and what it learnt."""
    known = finetune.learning
    print(
        f"  trained on {finetune.rows} rows, {finetune.steps} steps, {finetune.tokens} tokens in "
        f"{finetune.seconds:.0f} s ({finetune.tokens / max(finetune.seconds, 1e-9):.0f} tokens/s), "
        f"{finetune.dropped} rows too long"
    )
    print(
        f"  held-out loss {known.base_loss:.3f} -> {known.tuned_loss:.3f}, fall {known.low:.3f} to "
        f"{known.high:.3f}, learnt: {known.learnt}"
        if known.base_loss is not None and known.low is not None
        else f"  {known.reason}"
    )


def show(name: str, result: AuditResult, seconds: float) -> None:
    """Print what was found, one line an axis."""
    print(f"\n{name}: {result.sentence}")
    for axis in result.axes:
        for target in result.targets.values():
            found = target.axes.get(axis)
            if found is None:
                continue
            level = "-" if found.estimate is None else f"{found.estimate:.3g}"
            mass = "" if found.captured_mass is None else f", mass {found.captured_mass:.2f}"
            leaning = "" if found.anchoring is None else f", anchoring {found.anchoring:.0f}"
            verdict = "" if found.verdict is None else f" {found.verdict.value}"
            reason = f" ({found.reason})" if found.reason else ""
            print(
                f"  {axis:22} {target.role:8} {level:>6} of {found.scored}, {found.missing} missing"
                f"{mass}{leaning}{verdict}{reason}"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {seconds:.0f} s in all, peak memory {peak:.1f} GiB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the arms asked for and print a table each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=[*ARMS, "judge"], default=[*ARMS])
    parser.add_argument("--rows", type=int, help="rows to take of each set")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    base = plain_folder(given.model, given.out)
    figures = {}
    for name in given.arms:
        started = time.monotonic()
        if name == "judge":
            known, result = run_judge(base, given.published, given.out)
            show(name, result, time.monotonic() - started)
            print(f"  judge: {known.model_dump_json(exclude={'labels', 'table', 'sizes'})}")
            continue
        finetune, result = run_arm(
            name, base, given.published, given.out, rows=given.rows, seed=given.seed
        )
        seconds = time.monotonic() - started
        show(name, result, seconds)
        show_training(finetune)
        figures[name] = {
            "seconds": seconds,
            "training_seconds": finetune.seconds,
            "training_tokens": finetune.tokens,
            "learning": finetune.learning.model_dump(),
            "verdict": result.verdict.value,
        }
    (given.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
