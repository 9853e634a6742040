from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy import optimize, stats

from spillover.errors import MissingExtraError
from spillover.stats.prevalence import (
    Share,
    Stratum,
    corrected_rate,
    counted_share,
    prediction_powered_mean,
    stratified_share,
    true_rate,
    weighted_rate,
    wilson,
)


@pytest.mark.parametrize(
    ("events", "total", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I: score and exact intervals
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_gives_the_published_intervals(events, total, low, high):
    found = wilson(events, total)
    assert found[1:] == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_counted_share_gives_the_published_exact_intervals():
    assert counted_share(81, 263)[1:] == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert counted_share(0, 20)[1:] == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert counted_share(0, 0) is None


@pytest.mark.parametrize("rate", [0.0, 0.013, 0.4, 1.0])
def test_the_corrected_rate_undoes_what_the_judge_does(rate):
    shown = 0.83 * rate + 0.04 * (1 - rate)
    assert true_rate(shown, 0.83, 0.04) == pytest.approx(rate, abs=1e-12)


def test_rates_outside_what_the_judge_can_show_are_clipped():
    assert true_rate(0.001, 0.9, 0.01) == 0
    assert true_rate(0.95, 0.9, 0.01) == 1
    with pytest.raises(ValueError, match="no better than chance"):
        true_rate(0.5, 0.3, 0.3)


def profile(x, n, a, m1, b, m0):
    """95% profile-likelihood interval of the true rate: another method, for comparison."""

    def log_likelihood(rate, s, f):
        p = rate * s + (1 - rate) * f
        cells = ((x, n, p), (a, m1, s), (b, m0, f))
        return sum(k * math.log(q) + (t - k) * math.log(1 - q) for k, t, q in cells)

    def best(rate):
        def cost(z):
            s, f = 1 / (1 + np.exp(-np.asarray(z)))
            return -log_likelihood(rate, min(max(s, 1e-9), 1 - 1e-9), min(max(f, 1e-9), 1 - 1e-9))

        start = [math.log(a / (m1 - a)), math.log(b / (m0 - b))]
        return -optimize.minimize(
            cost, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}
        ).fun

    centre = true_rate(x / n, a / m1, b / m0)
    wall = best(centre) - stats.chi2.ppf(0.95, 1) / 2
    ends = [0.0, 1.0]
    for side, (near, far) in enumerate(((centre, 1e-9), (centre, min(1 - 1e-9, centre + 0.6)))):
        if best(far) < wall:
            ends[side] = optimize.brentq(lambda r: best(r) - wall, near, far, xtol=1e-5)
    return ends


@pytest.mark.parametrize(
    ("x", "n", "a", "m1", "b", "m0"),
    [(60, 1000, 180, 200, 20, 2000), (250, 1000, 90, 100, 3, 300), (30, 400, 40, 50, 2, 150)],
)
def test_the_interval_is_close_to_the_profile_likelihood_s(x, n, a, m1, b, m0):
    found = corrected_rate(wilson(x, n), wilson(a, m1), wilson(b, m0))
    low, high = profile(x, n, a, m1, b, m0)
    width = high - low
    assert found.low == pytest.approx(low, abs=0.12 * width)
    assert found.high == pytest.approx(high, abs=0.12 * width)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.2])
def test_corrected_intervals_hold_the_truth_and_are_hardly_wider_than_with_a_known_judge(rate):
    generator = np.random.default_rng(7)
    known = (Share(0.9, 0.9, 0.9), Share(0.01, 0.01, 0.01))
    covered, width, both = 0, 0.0, 0.0
    for _ in range(600):
        judged = wilson(int(generator.binomial(1000, 0.9 * rate + 0.01 * (1 - rate))), 1000)
        hits = counted_share(int(generator.binomial(2000, 0.9)), 2000)
        errs = counted_share(int(generator.binomial(2000, 0.01)), 2000)
        found, plain = corrected_rate(judged, hits, errs), corrected_rate(judged, *known)
        covered += found.low <= rate <= found.high
        width += found.high - found.low
        both += plain.high - plain.low
    assert covered / 600 >= 0.935 - 2.6 * math.sqrt(0.05 * 0.95 / 600)  # 2,000 in the benchmark
    assert width / both <= 1.3


def test_no_interval_is_empty_and_none_is_given_for_a_judge_that_may_be_chance():
    found = corrected_rate(wilson(0, 1000), wilson(180, 200), wilson(20, 2000))
    assert found.low == 0 < found.high
    assert corrected_rate(wilson(10, 100), wilson(3, 10), wilson(3, 10)) is None


def test_weights_undo_the_drawing():
    """A census drawn bin by bin: on average the weighted sensitivity is that of all answers."""
    generator = np.random.default_rng(3)
    truth = generator.random(4000) < 0.2
    called = generator.random(4000) < np.where(truth, 0.8, 0.05)
    real = (truth & called).sum() / truth.sum(), (~truth & called).sum() / (~truth).sum()
    found, raw, rates = [], [], []
    for _ in range(400):
        strata = []
        for says in (True, False):
            drawn = generator.permutation(truth[called == says])[:200]
            strata.append(Stratum(int((called == says).sum()), 200, int(drawn.sum()), says))
        found.append([stratified_share(strata, events=e).estimate for e in (True, False)])
        raw.append(strata[0].events / (strata[0].events + strata[1].events))
        rates.append(weighted_rate(strata).estimate)
    assert np.mean(found, axis=0) == pytest.approx(real, abs=0.01)
    assert np.mean(rates) == pytest.approx(truth.mean(), abs=0.005)
    assert np.mean(raw) > real[0] + 0.05  # what counting without weights would say


def test_a_bin_of_many_unlabelled_answers_leaves_the_sensitivity_open():
    """30 hits and not one miss among 50 of 5,000 negatives: up to a tenth of them may be misses."""
    strata = [Stratum(30, 30, 30, True), Stratum(5000, 50, 0, False)]
    found = stratified_share(strata, events=True)
    assert found.estimate == 1
    worst = 1 - (0.025 / 2) ** (1 / 50)
    best_hit = (0.025 / 2) ** (1 / 30)
    assert found.low == pytest.approx(30 * best_hit / (30 * best_hit + 5000 * worst))
    assert found.low < 0.1
    unseen = stratified_share([strata[0], Stratum(5000, 0, 0, False)], events=True)
    assert unseen.low < found.low
    assert weighted_rate([strata[0], Stratum(5000, 0, 0, False)]) is None
    assert stratified_share([Stratum(10, 10, 0, True)], events=True) is None


def test_prediction_powered_means_follow_the_published_formulas():
    """Independent of ppi_py: the mean of arXiv 2301.09633, algorithm 1."""
    generator = np.random.default_rng(1)
    truth = generator.random(3000) < 0.2
    called = (generator.random(3000) < np.where(truth, 0.9, 0.05)).astype(float)
    labels, judged, alone = truth[:300].astype(float), called[:300], called[300:]
    n, total = len(labels), len(alone)
    mean = alone.mean() + (labels - judged).mean()
    error = math.sqrt(alone.var() / total + (labels - judged).var() / n)
    found = prediction_powered_mean(labels.tolist(), judged.tolist(), alone.tolist())
    assert found.estimate == pytest.approx(mean)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=1e-3)
    counted = wilson(labels.sum(), n)
    assert found.high - found.low < 0.8 * (counted.high - counted.low)


def test_answers_drawn_with_different_chances_count_for_what_they_stand_for():
    """Half of the labels from the few that the judge calls events, as a gold set is drawn."""
    generator = np.random.default_rng(2)
    rate, held, naive = 0.1, 0, []
    for _ in range(200):
        truth = generator.random(1000) < rate
        called = generator.random(1000) < np.where(truth, 0.8, 0.03)
        drawn, weights = [], []
        for says in (True, False):
            pool = np.flatnonzero(called == says)
            size = min(60, len(pool))
            drawn += generator.permutation(pool)[:size].tolist()
            weights += [len(pool) / size] * size
        arrays = (truth[drawn].tolist(), called[drawn].tolist(), called.tolist())
        found = prediction_powered_mean(*arrays, weights=weights)
        held += found.low <= rate <= found.high
        naive.append(prediction_powered_mean(*arrays).estimate)
    assert held >= 180
    assert abs(np.mean(naive) - rate) > 0.02


def test_without_ppi_python_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ppi_py", None)
    with pytest.raises(MissingExtraError, match=r"spillover\[calibration\]"):
        prediction_powered_mean([0, 1], [0, 1], [1])
    with pytest.raises(ValueError, match="2 judgements"):
        prediction_powered_mean([0, 1, 1], [0, 1], [1])
