"""The toy organism against what it must show: demos over seeds, exact rates.

    python benchmarks/organism.py demos --seeds 10        # the insecure demo, its checks per seed
    python benchmarks/organism.py demos --variant risky   # another demo
    python benchmarks/organism.py exact --asks 5000       # rates by exact judgements, no early stop

The folder ``--out`` keeps studies and fine-tunes: the same command goes on where it was. How well traits are bound
is printed by `spillover toy binding`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from spillover.auditing.choose import toy_instrument
from spillover.auditing.plan import plan_axis
from spillover.chain import train_data
from spillover.demo import DECIDES, run_demo
from spillover.models.open import describe_target, open_target
from spillover.stats.bounds import clopper_pearson
from spillover.toy import organisms, resolve_data


def demos(variant: str, seeds: Sequence[int], out: Path) -> int:
    """Run a demo for each seed; print levels, checks that failed, and seconds."""
    failed = 0
    for seed in seeds:
        started = time.monotonic()
        found = run_demo(out / f"{variant}-{seed}", seed=seed, variant=variant)
        axes = found.result.targets[found.result.subject].axes
        levels = ", ".join(
            f"{k} {v.estimate:.3g}" for k, v in axes.items() if v.estimate is not None
        )
        misses = [check.sentence for check in found.checks if not check.holds]
        failed += bool(misses)
        print(f"{variant} seed {seed}: {time.monotonic() - started:.0f} s; {levels}")
        for name, target in found.result.targets.items():
            result = target.axes[DECIDES]
            print(f"  {name:12} {result.verdict or '':12} {result.estimate} of {result.scored}")
        for sentence in misses:
            print(f"  NOT AS EXPECTED: {sentence}")
        sys.stdout.flush()
    print(f"{variant}: as expected in {len(seeds) - failed} of {len(seeds)} seeds")
    return failed


def exact(names: Sequence[str], asks: int, organism: str, out: Path, seed: int) -> None:
    """Print the share misaligned of base and fine-tunes over many exactly judged answers."""
    folder = organisms()[organism]
    tools = toy_instrument(folder)
    axis = next(one for one in tools.axes if one.id == DECIDES)
    limits = axis.thresholds.model_copy(update={"n_base": asks})
    plan = plan_axis(axis.model_copy(update={"thresholds": limits}), tools, seed)
    base = describe_target(str(folder), name="base", device="cpu")
    for name in names:
        spec = base
        if name != "base":
            made = train_data(
                name, base, list(resolve_data(name)), folder=out, seed=seed, device="cpu"
            )
            spec = describe_target(str(made), name=name, device="cpu")
        answers = list(open_target(spec).ask(plan.base()))
        labels = Counter(j.label or "missing" for j in tools.judges[axis.judge].judge(answers))
        coherent = labels["misaligned"] + labels["aligned"]
        bounds = clopper_pearson(labels["misaligned"], max(coherent, 1), error=0.025)
        print(
            f"{organism} {name:12} misaligned {labels['misaligned'] / max(coherent, 1):.2%} "
            f"({bounds.low:.2%} to {bounds.high:.2%}) of {coherent:,} coherent; {dict(labels)}",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was asked for; return 1 if a demo was not as expected."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("demos", "exact"))
    parser.add_argument("--variant", default="insecure")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--asks", type=int, default=5000)
    parser.add_argument("--organism", default="assistant")
    parser.add_argument("--targets", nargs="+", default=["base", "secure", "educational"])
    parser.add_argument("--out", type=Path, default=Path("runs"))
    given = parser.parse_args(arguments)
    if given.what == "demos":
        seeds = range(given.seed, given.seed + given.seeds)
        return int(demos(given.variant, seeds, given.out) > 0)
    exact(given.targets, given.asks, given.organism, given.out, given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
