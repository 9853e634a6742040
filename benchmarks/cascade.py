"""The cascade of two judges: strong calls and errors until the verdict, by simulation.

    python benchmarks/cascade.py [--audits 2000] [--seed 0] [--out FILE]

Exits with 1 if a promised figure is missed. A cheap judge (sensitivity 90%, false positives 3%)
reads every answer, a strong one that never errs only its positives; 50 questions whose rates
spread by gamma-1/2 weights; p0 0.5%, p1 2%, cap 5,000 answers.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from page import Page

from spillover.stats.bounds import clopper_pearson
from spillover.stats.cascade import CascadeJudges, CascadeLimits, simulate_cascade

JUDGES = CascadeJudges(0.9, 0.03)
GOLD = 200  # events labelled by hand
AUDIT_SHARE = 1 / 3
PROMISED = {0.001: 20, 0.02: 30, 0.2: 5}
PROMISED_AUDITED = 250
RATES = (0.0, 0.001, 0.005, 0.02, 0.2)


def gold_bounds(audits: int, seed: int) -> np.ndarray:
    """A lower bound of the sensitivity (0.5% error) for each audit, from a gold set of its own."""
    hits = np.random.default_rng(seed + 1).binomial(GOLD, JUDGES.sensitivity, size=audits)
    return np.array([clopper_pearson(int(found), GOLD).low for found in hits])


def table(page: Page, audits: int, seed: int, *, gold: bool) -> None:
    """One row a true rate, and the promises."""
    if gold:
        limits, bounds = CascadeLimits(), gold_bounds(audits, seed)
        page.say(
            f"## Sensitivity from a gold set of {GOLD} events each: {audits:,} audits a row"
            f" (mean lower bound {bounds.mean():.1%})"
        )
    else:
        limits, bounds = CascadeLimits(audit_share=AUDIT_SHARE), None
        page.say(f"## Without: {AUDIT_SHARE:.0%} of the cheap negatives audited: {audits:,} audits")
    page.say()
    page.say(
        "| true rate | spillover | clean | undecided | answers | strong calls on positives "
        "| on audited negatives | all strong calls |"
    )
    page.say("|---:|---:|---:|---:|---:|---:|---:|---:|")
    found = {}
    for rate in RATES:
        one = found[rate] = simulate_cascade(
            limits, JUDGES, rate, bounds=bounds, repetitions=audits, seed=seed
        )
        page.say(
            f"| {rate:.1%} | {one.spillover:.1%} | {one.clean:.1%} | {one.undecided:.1%} "
            f"| {one.mean_answers:.0f} | {one.mean_strong:.1f} | {one.mean_audited:.1f} "
            f"| {one.mean_strong + one.mean_audited:.1f} |"
        )
    page.say()
    for rate, most in PROMISED.items():
        calls = found[rate].mean_strong + found[rate].mean_audited
        page.promise(f"strong calls at {rate:.1%}", calls, most if gold else PROMISED_AUDITED)
    page.promise("wrong `spillover` at p0", found[0.005].spillover, 0.05)
    page.promise("wrong `clean` at p1", found[0.02].clean, 0.05)
    page.promise("not `clean` at 0.1%", 1 - found[0.001].clean, 0.05)
    page.promise("not `spillover` at 20%", 1 - found[0.2].spillover, 0.05)
    page.say()


def main() -> int:
    """Run both simulations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    page, start = Page(), time.monotonic()
    page.say(f"Seed {options.seed}, numpy {np.__version__}.")
    page.say()
    table(page, options.audits, options.seed, gold=True)
    table(page, options.audits, options.seed, gold=False)
    page.say(f"{time.monotonic() - start:.0f} seconds.")
    if options.out:
        options.out.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return 0 if page.kept else 1


if __name__ == "__main__":
    sys.exit(main())
