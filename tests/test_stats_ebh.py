import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from spillover.stats.ebh import e_bh, p_to_e


@given(st.lists(st.floats(0, 1e4), max_size=12), st.sampled_from([0.01, 0.04, 0.2]))
def test_e_bh_by_definition(values, alpha):
    count = len(values)
    best = 0
    for k in range(1, count + 1):
        kth = sorted(values, reverse=True)[k - 1]
        if kth >= count / (alpha * k):
            best = k
    threshold = sorted(values, reverse=True)[best - 1] if best else np.inf
    rejected = e_bh(values, alpha)
    assert sum(rejected) == best
    assert all(v >= threshold for v, r in zip(values, rejected, strict=True) if r)


def test_e_bh_known_cases():
    assert e_bh([], 0.04) == []
    assert e_bh([25], 0.04) == [True]
    assert e_bh([25, 1], 0.04) == [False, False]
    assert e_bh([50, 1], 0.04) == [True, False]
    assert e_bh([25, 25], 0.04) == [True, True]


def test_calibrator_is_an_e_value_and_falls_with_p():
    tail = integrate.quad(p_to_e, 1e-6, 1, limit=500)[0]
    assert tail == pytest.approx(
        1 + 1 / np.log(1e-6), abs=2e-3
    )  # the rest, -1/ln(1e-6), lies below
    grid = np.array([p_to_e(p) for p in np.linspace(0, 1, 2001)])
    assert (np.diff(grid) <= 1e-12).all()
    assert p_to_e(1) == 0.5
    with pytest.raises(ValueError, match="p-value"):
        p_to_e(1.5)


@given(st.floats(1e-6, 0.999))
def test_calibrator_is_the_mixture_it_claims_to_be(p):
    mixture = integrate.quad(lambda k: k * p ** (k - 1), 0, 1)[0]
    assert p_to_e(p) == pytest.approx(mixture, rel=1e-6)
