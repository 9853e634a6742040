"""Rates corrected for a judge's errors: do the intervals hold the truth, and how wide are they?

    spillover demo
    python benchmarks/calibration.py --report spillover-demo/report.json [--repetitions 2000] [--out FILE]

Exits with 1 if a promised figure is missed. A simulated judge of sensitivity 90% and specificity
99% reads 1,000 answers; both are known only from 2,000 labelled answers of each class. The
answers are those of the toy organism and its fine-tunes, whose truth the exact judge knows: mixed
to three rates (misaligned ones of the insecure fine-tune among aligned ones of the base), and as
each of the models gives them, drawn anew from its answers in the report.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from page import Page

from spillover.cli.report import read_result
from spillover.compare import calibrate, draw_gold, with_powered
from spillover.records import AuditResult, Bin, Sample
from spillover.stats.prevalence import (
    Share,
    Stratum,
    corrected_rate,
    counted_share,
    stratified_share,
    true_rate,
    wilson,
)

SENSITIVITY, SPECIFICITY = 0.9, 0.99
FALSE_POSITIVES = 1 - SPECIFICITY
SAMPLE, GOLD, LABELS = 1000, 2000, (200, 50)
RATES = {"rare": 0.001, "some": 0.02, "common": 0.2}
COVERAGE, WIDTH = 0.935, 1.3
KNOWN = (Share(*[SENSITIVITY] * 3), Share(*[FALSE_POSITIVES] * 3))


class Case(NamedTuple):
    """Where answers come from: their true rate, and how to draw so many, as whether each is an event."""

    rate: float
    draw: Callable[[np.random.Generator, int], np.ndarray]


def answers_of(result: AuditResult) -> dict[str, list[Sample]]:
    """The coherent answers of each target on the axis that decides."""
    found: dict[str, list[Sample]] = {}
    for sample in result.answers:
        if sample.axis == result.headline_axis and sample.bin in (Bin.MISALIGNED, Bin.ALIGNED):
            found.setdefault(sample.target, []).append(sample)
    return found


def truths(samples: Sequence[Sample]) -> np.ndarray:
    """Whether each answer is misaligned, by the exact judge."""
    return np.array([sample.bin == Bin.MISALIGNED for sample in samples])


def mixed(bad: Sequence[Sample], good: Sequence[Sample], rate: float) -> Case:
    """Answers of two pools, mixed to a rate."""
    pools = truths(good), truths(bad)

    def draw(generator: np.random.Generator, count: int) -> np.ndarray:
        spiked = generator.random(count) < rate
        picks = [pool[generator.integers(len(pool), size=count)] for pool in pools]
        return np.where(spiked, picks[1], picks[0])

    return Case(rate, draw)


def own(samples: Sequence[Sample]) -> Case:
    """A model's answers, drawn anew."""
    pool = truths(samples)
    return Case(
        float(pool.mean()),
        lambda generator, count: pool[generator.integers(len(pool), size=count)],
    )


def clipped_width(judged: Share) -> float:
    """Width with both known, by the plain formula: the ends of the judged interval, corrected."""
    low, high = (true_rate(end, SENSITIVITY, FALSE_POSITIVES) for end in judged[1:])
    return high - low


def rates_table(page: Page, cases: dict[str, Case], repetitions: int, seed: int) -> None:
    """Coverage and widths at each true rate, with gold sets of a fixed number of each class."""
    page.say(
        "| truth | true rate | mean corrected | covers | too low | too high | mean width "
        "| both known | ratio | both known, clipped | ratio |"
    )
    page.say("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    for name, (rate, draw) in cases.items():
        below = above = 0
        sums = np.zeros(4)
        for _ in range(repetitions):
            judged = wilson(int(read(generator, draw(generator, SAMPLE)).sum()), SAMPLE)
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


def read(generator: np.random.Generator, truth: np.ndarray) -> np.ndarray:
    """What the simulated judge calls an event."""
    return generator.random(len(truth)) < np.where(truth, SENSITIVITY, FALSE_POSITIVES)


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
            called = read(generator, truth)
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


def powered_table(
    page: Page, result: AuditResult, cases: dict[str, Case], repetitions: int, seed: int
) -> None:
    """The rate that the program shows where some of 1,000 answers are labelled."""
    page.say(
        "| truth | true rate | labelled | as `judge label` draws: covers | mean width | not shown "
        "| at random: covers | mean width | not shown | labels alone, width |"
    )
    page.say("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    for (name, (rate, draw)), count in product(cases.items(), LABELS):
        shown, covered, widths = np.zeros(2), np.zeros(2), np.zeros(2)
        alone = 0.0
        for number in range(repetitions):
            truth = draw(generator, SAMPLE)
            called = read(generator, truth)
            counted = wilson(int(truth[:count].sum()), count)
            alone += (counted.high - counted.low) / repetitions
            for place, at_random in enumerate((False, True)):
                found = labelled(result, truth, called, Draw(count, number, at_random))
                if found is not None:
                    shown[place] += 1
                    covered[place] += found.low <= rate <= found.high
                    widths[place] += found.high - found.low
        cells = [
            f"{covered[k] / max(1, shown[k]):.1%} | {widths[k] / max(1, shown[k]):.2%} "
            f"| {1 - shown[k] / repetitions:.0%}"
            for k in (0, 1)
        ]
        page.say(f"| {name} | {rate:.2%} | {count} | {' | '.join(cells)} | {alone:.2%} |")
    page.say()


class Draw(NamedTuple):
    """How many answers are labelled, and which."""

    count: int
    seed: int
    at_random: bool


def labelled(result: AuditResult, truth: np.ndarray, called: np.ndarray, how: Draw) -> Share | None:
    """The rate that the program shows; None where it shows none, or asks for more labels."""
    axis = result.headline_axis
    bins = np.where(called, Bin.MISALIGNED, Bin.ALIGNED)
    answers = tuple(
        Sample(target="base", axis=axis, question="q", prompt="", text=str(number), bin=str(bin_))
        for number, bin_ in enumerate(bins)
    )
    here = result.model_copy(
        update={"answers": answers, "targets": {"base": result.targets["base"]}}
    )
    # all of them weigh 1, and come in a random order
    rows = draw_gold(here, count=2 * SAMPLE if how.at_random else how.count, seed=how.seed)
    rows = [
        row._replace(human_label=str(Bin.MISALIGNED if truth[int(row.answer)] else Bin.ALIGNED))
        for row in rows[: how.count if how.at_random else None]
    ]
    if len({row.human_label for row in rows}) < 2:
        return None  # `judge calibrate` asks for more labels
    shown = with_powered(here.model_copy(update={"calibration": calibrate(rows)}))
    found = shown.targets["base"].axes[axis]
    if found.powered is None or found.powered_interval is None:
        return None
    return Share(found.powered, *found.powered_interval)


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, required=True, help="report.json of the demo")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    page, start = Page(), time.monotonic()
    times, seed = options.repetitions, options.seed
    page.say(f"Seed {seed}, numpy {np.__version__}, {times:,} repetitions a row.")
    page.say()
    page.say(f"## Rogan-Gladen: sample {SAMPLE:,}, gold {GOLD:,} of each class")
    page.say()
    result = read_result(options.report)
    answers = answers_of(result)
    good, bad = (
        [one for one in answers[name] if one.bin == bin_]
        for name, bin_ in (("base", Bin.ALIGNED), (result.subject, Bin.MISALIGNED))
    )
    cases = {name: mixed(bad, good, rate) for name, rate in RATES.items()}
    rates_table(page, cases, times, seed)
    page.say("## The same with each model's own answers")
    page.say()
    rates_table(page, {name: own(samples) for name, samples in answers.items()}, times, seed)
    page.say("## Sensitivity by a gold set of up to 150 of each of the judge's two bins")
    page.say()
    gold_table(page, min(1000, times), seed)
    page.say(f"## Prediction-powered: some of {SAMPLE:,} answers labelled")
    page.say()
    powered_table(page, result, cases, min(500, times), seed)
    page.say(f"{time.monotonic() - start:.0f} seconds.")
    if options.out:
        options.out.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return 0 if page.kept else 1


if __name__ == "__main__":
    sys.exit(main())
