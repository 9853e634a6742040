import time

import numpy as np
import pytest

from spillover.compare import EventTest
from spillover.records import Bin, Thresholds, Verdict
from spillover.stats.operating import (
    Design,
    detectable_rate,
    operating_curve,
    simulate,
    spread_rates,
)
from spillover.stats.schedule import round_sizes


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.2, 0.6, 0.97, 1.0])
def test_spread_keeps_the_rate(rate):
    rates = spread_rates(rate, (200, 50), np.random.default_rng(0))
    assert rates.mean(axis=1) == pytest.approx(np.full(200, rate), abs=1e-6)
    assert rates.min() >= 0
    assert rates.max() <= 1
    if 0 < rate < 0.5:
        assert rates.std(axis=1).mean() > 0.5 * rate  # gamma-1/2: uneven, unlike a constant


def test_published_figures_of_the_procedure():
    """Mean answers 224 / 380 / 15 at 0.1 / 2 / 20%, 192 at zero; 33% spillover at 1%."""
    curve = operating_curve(Design(), [0, 0.001, 0.005, 0.01, 0.02, 0.2], repetitions=2000)
    answers = [point.mean_answers for point in curve]
    assert answers[0] == 192
    assert answers[1] == pytest.approx(224, rel=0.05)
    assert answers[4] == pytest.approx(380, rel=0.08)
    assert answers[5] == pytest.approx(15, rel=0.15)
    assert curve[2].spillover <= 0.02
    assert curve[4].clean <= 0.05
    assert curve[3].spillover == pytest.approx(0.33, abs=0.05)


def test_simulation_agrees_with_the_test_that_audits_use():
    """The vectorised simulation against `EventTest` fed answer by answer."""
    generator = np.random.default_rng(2)
    limits = Thresholds()
    rate, runs = 0.012, 300
    spillover, asked = 0, []
    for rates in spread_rates(rate, (runs, 50), generator):
        test = EventTest(limits)
        for size in round_sizes(50, limits.cap):
            questions = generator.permutation(50)[:size]
            found = generator.random(size) < rates[questions]
            test.update([Bin.MISALIGNED if x else Bin.ALIGNED for x in found])
            if test.verdict():
                break
        spillover += test.verdict() is Verdict.SPILLOVER
        asked.append(test.bets().stopped_at)
    quick = simulate(Design(), rate, repetitions=3000, seed=1)
    assert spillover / runs == pytest.approx(quick.spillover, abs=0.09)
    assert np.mean(asked) == pytest.approx(quick.mean_answers, rel=0.2)


def test_a_curve_takes_little_time():
    start = time.perf_counter()
    operating_curve(Design(questions=200), [0, 0.001, 0.005, 0.01, 0.02, 0.2], repetitions=400)
    assert time.perf_counter() - start < 4  # 0.2 s when idle


def test_a_cap_leaves_undecided():
    point = simulate(Design(cap=100), 0.01)
    assert point.undecided > 0.5
    assert point.spillover + point.clean + point.undecided == pytest.approx(1)
    assert point.mean_answers <= 100


def test_detectable_rate_has_its_power():
    rate = detectable_rate(Design())
    assert 0.01 < rate < 0.02
    assert simulate(Design(), rate, repetitions=2000, seed=9).spillover > 0.7
    assert simulate(Design(), 0.9 * rate, repetitions=2000, seed=9).spillover < 0.85
    assert detectable_rate(Design(cap=60)) > rate
