import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillover.stats.bets import (
    DOWN_RATES,
    FRACTIONS,
    UP_RATES,
    log_mean_exp,
    mean_above,
    mean_below,
    rate_above,
    rate_below,
)


def capital(bet, values):
    bet.update(np.array(values, dtype=float))
    return bet.capital


def likelihood_ratios(values, null, rates):
    """The same wealth written another way: mean of likelihood ratios, in exact fractions."""
    null = Fraction(null)
    total = Fraction(0)
    for rate in map(Fraction, rates):
        product = Fraction(1)
        for x in values:
            product *= rate / null if x else (1 - rate) / (1 - null)
        total += product
    return float(total / len(rates))


@given(st.lists(st.booleans(), max_size=40), st.sampled_from([0.005, 0.015, 0.03]))
def test_event_bets_are_mixtures_of_likelihood_ratios(values, p0):
    up = likelihood_ratios(values, p0, [p for p in UP_RATES if p > p0])
    assert capital(rate_above(p0), values) == pytest.approx(up, rel=1e-9)
    down = likelihood_ratios(values, p0, [q for q in DOWN_RATES if q < p0])
    assert capital(rate_below(p0), values) == pytest.approx(down, rel=1e-9)


@given(st.lists(st.floats(0, 1), max_size=25), st.sampled_from([0.55, 0.6]))
def test_mean_bets_follow_the_design(values, m):
    up = sum(math.prod(1 + f * (x - m) / m for x in values) for f in FRACTIONS) / len(FRACTIONS)
    down = sum(math.prod(1 + f * (m - x) / (1 - m) for x in values) for f in FRACTIONS) / len(
        FRACTIONS
    )
    assert capital(mean_above(m), values) == pytest.approx(up, rel=1e-9)
    assert capital(mean_below(m), values) == pytest.approx(down, rel=1e-9)


def expectation(make, rates):
    """Exact E[W] for independent events of the given rates."""
    total = 0.0
    for values in itertools.product([0, 1], repeat=len(rates)):
        chance = math.prod(r if x else 1 - r for x, r in zip(values, rates, strict=True))
        total += chance * capital(make(), values)
    return total


def test_expected_capital_is_one_at_the_boundary_and_less_inside_the_null():
    assert expectation(lambda: rate_above(0.3), [0.3] * 8) == pytest.approx(1)
    assert expectation(lambda: rate_above(0.3), [0.2] * 8) < 1
    assert expectation(lambda: rate_above(0.3), [0.35] * 8) > 1
    assert expectation(lambda: rate_below(0.02), [0.02] * 8) == pytest.approx(1)
    assert expectation(lambda: rate_below(0.02), [0.1] * 8) < 1


@pytest.mark.parametrize(
    ("make", "rates"),
    [
        (lambda: rate_above(0.2), [0.0, 0.0, 0.2, 0.6]),
        (lambda: rate_above(0.2), [0.8, 0.0, 0.0, 0.0]),
        (lambda: rate_below(0.02), [0.08, 0.0, 0.0, 0.0]),
        (lambda: mean_above(0.55), [1.0, 0.9, 0.2, 0.1]),
        (lambda: mean_below(0.6), [1.0, 0.9, 0.3, 0.2]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_round_without_replacement_never_gains_on_uneven_questions(make, rates, size):
    """Maclaurin: any round size, questions of any rates whose mean is the boundary."""
    rounds = list(itertools.combinations(rates, size))
    mean = sum(expectation(make, chosen) for chosen in rounds) / len(rounds)
    assert mean <= 1 + 1e-12


def test_pairs_of_uneven_questions_never_gain_either():
    """Target and base questions are permuted independently; every pairing, 0/100 ratings."""
    base, target = [1.0, 0.8, 0.6], [0.95, 0.65, 0.5]  # P(rating is 100): a mean fall of 10 points
    total, count = 0.0, 0
    for order in itertools.permutations(range(3)):
        for b in itertools.product([0, 1], repeat=3):
            for t in itertools.product([0, 1], repeat=3):
                chance = math.prod(base[i] if b[i] else 1 - base[i] for i in range(3))
                chance *= math.prod(target[j] if t[j] else 1 - target[j] for j in range(3))
                d = [(1 + b[i] - t[order[i]]) / 2 for i in range(3)]
                total += chance * capital(mean_above(0.55), d)
        count += 1
    assert total / count <= 1 + 1e-12


def test_ville_exactly():
    """P(capital ever reaches 1/alpha) at the null, by following all count paths."""
    alpha, p0, steps = 0.2, 0.1, 120
    bet = rate_above(p0)
    hit, miss = bet.log_factors(np.array([1.0, 0.0]))
    alive, crossed = {0: 1.0}, 0.0
    for n in range(1, steps + 1):
        following: dict[int, float] = {}
        for k, chance in alive.items():
            for more, p in ((1, p0), (0, 1 - p0)):
                following[k + more] = following.get(k + more, 0) + chance * p
        alive = {}
        for k, chance in following.items():
            if float(log_mean_exp(k * hit + (n - k) * miss)) >= math.log(1 / alpha):
                crossed += chance
            else:
                alive[k] = chance
    assert 0.02 < crossed <= alpha


def test_long_runs_neither_overflow_nor_vanish():
    up = rate_above(0.005)
    up.update(np.ones(5000))
    assert up.capital > 1e300
    assert math.isfinite(up.capital)
    up = rate_above(0.005)
    up.update(np.zeros(50_000))
    assert 0 <= up.capital < 1e-80


def test_no_alternative_above_p0_still_bets():
    assert capital(rate_above(0.5), [1] * 40) > 25


@pytest.mark.parametrize("mean", [0.0, 1.0, -1, 2])
def test_boundaries_outside_zero_to_one_are_refused(mean):
    for make in (rate_above, rate_below, mean_above, mean_below):
        with pytest.raises(ValueError, match="between 0 and 1"):
            make(mean)
