"""Rates corrected for a judge's errors: do the intervals hold the truth, and how wide are they?

    python benchmarks/calibration.py [--repetitions 2000] [--seed 0] [--out FILE]

Exits with 1 if a promised figure is missed. A simulated judge of sensitivity 90% and specificity
99% reads 1,000 answers; both are known only from 2,000 labelled answers of each class. The true
rates of the second table are those measured on the toy organism by its exact judge
(docs/toy-world.md); the answers themselves are simulated from them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from sequential import Page

from spillover.stats.prevalence import (
    Share,
    Stratum,
    corrected_rate,
    counted_share,
    prediction_powered_mean,
    stratified_share,
    true_rate,
    wilson,
)

SENSITIVITY, SPECIFICITY = 0.9, 0.99
FALSE_POSITIVES = 1 - SPECIFICITY
SAMPLE, GOLD = 1000, 2000
RATES = {"rare": 0.001, "some": 0.02, "common": 0.2}
TOY = {"secure": 0.0045, "educational": 0.0075, "insecure, seed 0": 0.945}
COVERAGE, WIDTH = 0.935, 1.3
KNOWN = (Share(*[SENSITIVITY] * 3), Share(*[FALSE_POSITIVES] * 3))


def clipped_width(judged: Share) -> float:
    """Width with both known, by the plain formula: the ends of the judged interval, corrected."""
    low, high = (true_rate(end, SENSITIVITY, FALSE_POSITIVES) for end in judged[1:])
    return high - low


def rates_table(page: Page, rates: dict[str, float], repetitions: int, seed: int) -> None:
    """Coverage and widths at each true rate, with gold sets of a fixed number of each class."""
    page.say(
        "| truth | true rate | mean corrected | covers | too low | too high | mean width "
        "| both known | ratio | both known, clipped | ratio |"
    )
    page.say("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    for name, rate in rates.items():
        shown = rate * SENSITIVITY + (1 - rate) * FALSE_POSITIVES
        below = above = 0
        sums = np.zeros(4)
        for _ in range(repetitions):
            judged = wilson(int(generator.binomial(SAMPLE, shown)), SAMPLE)
            hits = counted_share(int(generator.binomial(GOLD, SENSITIVITY)), GOLD)
            errs = counted_share(int(generator.binomial(GOLD, FALSE_POSITIVES)), GOLD)
            assert hits is not None
            assert errs is not None
            found, known = corrected_rate(judged, hits, errs), corrected_rate(judged, *KNOWN)
            assert found is not None
            assert known is not None
            below += found.high < rate
            above += found.low > rate
            estimate = true_rate(judged.estimate, hits.estimate, errs.estimate)
            widths = (found.high - found.low, known.high - known.low, clipped_width(judged))
            sums += (estimate, *widths)
        mean, width, both, plain = sums / repetitions
        covers = 1 - (below + above) / repetitions
        page.say(
            f"| {name} | {rate:.2%} | {mean:.2%} | {covers:.1%} | {below / repetitions:.1%} "
            f"| {above / repetitions:.1%} | {width:.2%} | {both:.2%} | {width / both:.2f} "
            f"| {plain:.2%} | {width / plain:.2f} |"
        )
        page.later.append((f"missed coverage at {rate:.2%}", 1 - covers))
        page.later.append((f"width ratio at {rate:.2%}", width / both))
    page.say()
    for what, value in page.later:
        page.promise(what, value, 1 - COVERAGE if "coverage" in what else WIDTH)
    page.later.clear()
    page.say()


def gold_table(page: Page, repetitions: int, seed: int) -> None:
    """Sensitivity from a gold set of 300 drawn bin by bin out of 5,000 answers."""
    page.say(
        "| true rate | sensitivity by weights, mean | 95% interval covers | 99% lower bound, mean |"
    )
    page.say("|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    for rate in (0.02, 0.2):
        estimates, covered, lows = [], 0, []
        for _ in range(repetitions):
            truth = generator.random(5000) < rate
            called = generator.random(5000) < np.where(truth, SENSITIVITY, FALSE_POSITIVES)
            strata = []
            for says in (True, False):
                pool = truth[called == says]
                drawn = generator.permutation(pool)[: min(150, len(pool))]
                strata.append(Stratum(len(pool), len(drawn), int(drawn.sum()), says))
            found = stratified_share(strata, events=True)
            sure = stratified_share(strata, events=True, error=0.005)
            assert found is not None
            assert sure is not None
            estimates.append(found.estimate)
            covered += found.low <= SENSITIVITY <= found.high
            lows.append(sure.low)
        page.say(
            f"| {rate:.0%} | {np.mean(estimates):.1%} | {covered / repetitions:.1%} "
            f"| {np.mean(lows):.1%} |"
        )
        page.later.append((f"missed coverage at {rate:.0%}", 1 - covered / repetitions))
    page.settle(1 - COVERAGE)


def powered_table(page: Page, repetitions: int, seed: int) -> None:
    """Prediction-powered rates: 200 of 1,000 answers labelled at random."""
    page.say("| true rate | covers | mean width | by the labels alone |")
    page.say("|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    for rate in (0.02, 0.2):
        covered, width, alone = 0, 0.0, 0.0
        for _ in range(repetitions):
            truth = generator.random(SAMPLE) < rate
            called = generator.random(SAMPLE) < np.where(truth, SENSITIVITY, FALSE_POSITIVES)
            labels, judged, rest = truth[:200], called[:200], called[200:]
            found = prediction_powered_mean(labels.tolist(), judged.tolist(), rest.tolist())
            counted = wilson(int(labels.sum()), 200)
            covered += found.low <= rate <= found.high
            width += (found.high - found.low) / repetitions
            alone += (counted.high - counted.low) / repetitions
        page.say(f"| {rate:.0%} | {covered / repetitions:.1%} | {width:.2%} | {alone:.2%} |")
    page.say()


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    page, start = Page(), time.monotonic()
    times, seed = options.repetitions, options.seed
    page.say(f"Seed {seed}, numpy {np.__version__}, {times:,} repetitions a row.")
    page.say()
    page.say(f"## Rogan-Gladen: sample {SAMPLE:,}, gold {GOLD:,} of each class")
    page.say()
    rates_table(page, RATES, times, seed)
    page.say("## The same at rates measured on the toy organism")
    page.say()
    rates_table(page, TOY, times, seed)
    page.say("## Sensitivity by a gold set of up to 150 of each of the judge's two bins")
    page.say()
    gold_table(page, min(1000, times), seed)
    page.say("## Prediction-powered: 200 of 1,000 answers labelled at random (no promise)")
    page.say()
    powered_table(page, min(500, times), seed)
    page.say(f"{time.monotonic() - start:.0f} seconds.")
    if options.out:
        options.out.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return 0 if page.kept else 1


if __name__ == "__main__":
    sys.exit(main())
