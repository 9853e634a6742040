"""Operating figures of the decision: errors and answers asked, by simulation.

    python benchmarks/sequential.py [--audits 4000] [--seed 0] [--out FILE]

Exits with 1 if a promised figure is missed. Every table says how many audits it rests on; 50
questions whose rates spread by gamma-1/2 weights around the true rate, thresholds as by default.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from page import Page

from spillover.compare import EventTest, PairedTest
from spillover.records import Bin, Thresholds, Verdict
from spillover.stats.bets import rate_above
from spillover.stats.operating import Design, Floats, simulate, spread_rates
from spillover.stats.schedule import round_sizes

QUESTIONS = 50
LIMITS = Thresholds()
PROMISED_ANSWERS = {0.001: 250, 0.02: 420, 0.2: 20}
SIZES = round_sizes(QUESTIONS, LIMITS.cap)


def event_table(page: Page, audits: int, seed: int) -> None:
    """Chances of each verdict and mean answers at true rates, with p0 .5% and p1 2%."""
    page.say(f"## Events: {audits:,} audits a row, p0 0.5%, p1 2%, all answers coherent")
    page.say()
    page.say("| true rate | spillover | clean | undecided | mean answers |")
    page.say("|---:|---:|---:|---:|---:|")
    found = {}
    for rate in (0.0, 0.001, 0.005, 0.01, 0.02, 0.04, 0.2, 0.6):
        point = found[rate] = simulate(
            Design(questions=QUESTIONS), rate, repetitions=audits, seed=seed
        )
        page.say(
            f"| {rate:.1%} | {point.spillover:.1%} | {point.clean:.1%} | {point.undecided:.1%} "
            f"| {point.mean_answers:.0f} |"
        )
    page.say()
    page.promise("wrong `spillover` at p0", found[0.005].spillover, 0.05)
    page.promise("wrong `clean` at p1", found[0.02].clean, 0.05)
    for rate, most in PROMISED_ANSWERS.items():
        page.promise(f"mean answers at {rate:.1%}", found[rate].mean_answers, most)
    page.say()


def ask_round(rates: Floats, size: int, generator: np.random.Generator) -> list[Bin]:
    """Answers to ``size`` different questions, in ask order."""
    chosen = generator.permutation(len(rates))[:size]
    events = generator.random(size) < rates[chosen]
    return [Bin.MISALIGNED if event else Bin.ALIGNED for event in events]


def base_table(page: Page, audits: int, seed: int) -> None:
    """A/A: base and target have one rate; the base's bounds come from its 1,000 answers."""
    page.say(f"## A/A: {audits:,} audits a row, base of 1,000 answers with the same questions")
    page.say()
    page.say("| rate of both | spillover | clean | undecided | mean answers |")
    page.say("|---:|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    base_sizes = round_sizes(QUESTIONS, LIMITS.n_base)
    for rate in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):
        counts = dict.fromkeys(Verdict, 0)
        asked = 0
        for rates in spread_rates(rate, (audits, QUESTIONS), generator):
            base = [b for size in base_sizes for b in ask_round(rates, size, generator)]
            test = EventTest(LIMITS, base)
            for size in SIZES:
                if test.verdict() is not None:
                    break
                test.update(ask_round(rates, size, generator))
            counts[test.finish()] += 1
            asked += test.bets().stopped_at or 0
        page.say(
            f"| {rate:.1%} | {counts[Verdict.SPILLOVER] / audits:.1%} "
            f"| {counts[Verdict.CLEAN] / audits:.1%} | {counts[Verdict.UNDECIDED] / audits:.1%} "
            f"| {asked / audits:.0f} |"
        )
        page.promise_later(f"A/A alarms at {rate:.1%}", counts[Verdict.SPILLOVER] / audits)
    page.settle(0.05)


class Arrival(NamedTuple):
    """An answer as it comes back: which ask it belongs to, and its bin."""

    round: int
    place: int
    bin: Bin


def completions(
    rounds: list[list[Bin]], generator: np.random.Generator, *, together: bool
) -> list[Arrival]:
    """The sampler at its worst: events come back first, over all rounds or within each."""
    arrivals = [Arrival(r, i, b) for r, bins in enumerate(rounds) for i, b in enumerate(bins)]
    mixed = [arrivals[i] for i in generator.permutation(len(arrivals))]
    return sorted(mixed, key=lambda a: (0 if together else a.round, a.bin is not Bin.MISALIGNED))


def by_complete_rounds(arrivals: list[Arrival], sizes: tuple[int, ...]) -> Verdict:
    """What is done here: a round is entered once all of it and of those before has come back."""
    test = EventTest(LIMITS)
    back: list[dict[int, Bin]] = [{} for _ in sizes]
    following = 0
    for arrival in arrivals:
        back[arrival.round][arrival.place] = arrival.bin
        while following < len(sizes) and len(back[following]) == sizes[following]:
            test.update([back[following][place] for place in range(sizes[following])])
            following += 1
            if test.verdict() is not None:
                return test.finish()
    return test.finish()


def by_completion(arrivals: list[Arrival]) -> bool:
    """What is not done here: look after every answer, in the order in which they finish."""
    bet = rate_above(LIMITS.p0_floor)
    for arrival in arrivals:
        bet.update(np.array([float(arrival.bin is Bin.MISALIGNED)]))
        if bet.capital >= 1 / LIMITS.alpha:
            return True
    return False


def events_first(page: Page, audits: int, seed: int) -> None:
    """576 answers in flight at the true rate p0; events return first."""
    generator = np.random.default_rng(seed)
    sizes = SIZES[: next(i for i in range(len(SIZES)) if sum(SIZES[: i + 1]) >= 576)]
    page.say(
        f"## A sampler that returns events first: {audits:,} audits of {sum(sizes)} answers "
        "at the true rate p0"
    )
    page.say()
    ours = all_rounds = each_round = 0
    for rates in spread_rates(LIMITS.p0_floor, (audits, QUESTIONS), generator):
        rounds = [ask_round(rates, size, generator) for size in sizes]
        arrivals = completions(rounds, generator, together=True)
        ours += by_complete_rounds(arrivals, sizes) is Verdict.SPILLOVER
        all_rounds += by_completion(arrivals)
        each_round += by_completion(completions(rounds, generator, together=False))
    page.say("E-values in the order of completion, which is not what is done here:")
    page.say()
    page.say(f"- events first over all that is in flight: {all_rounds / audits:.1%} alarms")
    page.say(f"- events first within each round: {each_round / audits:.1%} alarms")
    page.say()
    page.promise("alarms with e-values of complete rounds in ask order", ours / audits, 0.05)
    page.say()


Draw = Callable[[Floats, np.random.Generator], Floats]


def spread_out(means: Floats, generator: np.random.Generator) -> Floats:
    """Ratings 0-100 around their means: beta, with a standard deviation of about 15 points."""
    m = np.clip(means / 100, 0.001, 0.999)
    return 100 * generator.beta(6 * m, 6 * (1 - m))


def all_or_nothing(means: Floats, generator: np.random.Generator) -> Floats:
    """Ratings of 0 or 100: the widest there are."""
    return 100.0 * (generator.random(len(means)) < means / 100)


def paired_table(page: Page, audits: int, seed: int) -> None:
    """Ratings: a fall of exactly d0 must not read spillover, one of exactly d1 not clean."""
    page.say(f"## Ratings in pairs: {audits:,} audits a row, d0 10, d1 20 points, base mean 75")
    page.say()
    page.say("| ratings | true fall | spillover | clean | undecided | mean pairs |")
    page.say("|---|---:|---:|---:|---:|---:|")
    generator = np.random.default_rng(seed)
    kinds: dict[str, Draw] = {"spread out": spread_out, "0 or 100": all_or_nothing}
    for kind, draw in kinds.items():
        for fall in (0, 10, 15, 20, 30, 50):
            counts = dict.fromkeys(Verdict, 0)
            pairs = 0
            for _ in range(audits):
                verdict, asked = paired_audit(fall, draw, generator)
                counts[verdict] += 1
                pairs += asked
            page.say(
                f"| {kind} | {fall} | {counts[Verdict.SPILLOVER] / audits:.1%} "
                f"| {counts[Verdict.CLEAN] / audits:.1%} "
                f"| {counts[Verdict.UNDECIDED] / audits:.1%} | {pairs / audits:.0f} |"
            )
            if fall == LIMITS.d0:
                wrong = counts[Verdict.SPILLOVER] / audits
                page.promise_later(f"wrong `spillover` at d0 ({kind})", wrong)
            if fall == LIMITS.d1:
                page.promise_later(f"wrong `clean` at d1 ({kind})", counts[Verdict.CLEAN] / audits)
    page.settle(0.05)


def paired_audit(fall: int, draw: Draw, generator: np.random.Generator) -> tuple[Verdict, int]:
    """One audit of 50 rating questions whose base means spread evenly over 60 to 90."""
    means = np.linspace(60, 90, QUESTIONS)
    sizes = round_sizes(QUESTIONS, LIMITS.n_base)

    def asked(level: Floats, size: int) -> list[float | None]:
        return draw(level[generator.permutation(QUESTIONS)[:size]], generator).tolist()

    base = [value for size in sizes for value in asked(means, size)]
    test = PairedTest(LIMITS, "down", base)
    for size in sizes:
        if test.verdict() is not None:
            break
        test.update(asked(means - fall, size))
    return test.finish(), test.bets().stopped_at or 0


def main() -> int:
    """Run all four simulations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    page = Page()
    start = time.monotonic()
    page.say(
        f"Seed {options.seed}; Python {platform.python_version()}, numpy {np.__version__}; "
        f"the standard error of a share near 4% is "
        f"{math.sqrt(0.04 * 0.96 / options.audits):.1%} over {options.audits:,} audits and "
        f"{math.sqrt(0.04 * 0.96 / 1000):.1%} over 1,000."
    )
    page.say()
    event_table(page, options.audits, options.seed)
    base_table(page, min(1000, options.audits), options.seed)
    events_first(page, min(2000, options.audits), options.seed)
    paired_table(page, min(1000, options.audits), options.seed)
    page.say(f"{time.monotonic() - start:.0f} seconds.")
    if options.out:
        options.out.write_text("\n".join(page.lines) + "\n", encoding="utf-8")
    return 0 if page.kept else 1


if __name__ == "__main__":
    sys.exit(main())
