import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from spillover.stats.bounds import clopper_pearson, t_interval, t_quantile, t_upper_tail


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.005, 0.025, 0.05]))
def test_clopper_pearson_equals_scipys(total, data, error):
    events = data.draw(st.integers(0, total))
    ours = clopper_pearson(events, total, error=error)
    theirs = reference.binomtest(events, total).proportion_ci(1 - 2 * error, method="exact")
    assert ours.low == pytest.approx(theirs.low, abs=1e-10)
    assert ours.high == pytest.approx(theirs.high, abs=1e-10)


def test_rule_of_three_and_nothing_known():
    assert clopper_pearson(0, 1000).high == pytest.approx(1 - 0.005 ** (1 / 1000))
    assert clopper_pearson(0, 0)[:2] == (0, 1)
    with pytest.raises(ValueError, match="5 events of 3"):
        clopper_pearson(5, 3)


def test_t_equals_scipys():
    values = [3.0, 5.5, 1.2, 9.9, 4.0]
    ours = t_interval(values, error=0.04)
    assert ours is not None
    theirs = reference.t.interval(0.92, 4, np.mean(values), reference.sem(values))
    assert ours[:2] == pytest.approx(theirs)
    assert t_interval([1.0]) is None
    assert t_quantile(7, 0.025) == pytest.approx(reference.t.isf(0.025, 7))
    assert t_upper_tail(1.3, 7) == pytest.approx(reference.t.sf(1.3, 7))
    assert math.isclose(t_quantile(1e6, 0.2), reference.norm.isf(0.2), rel_tol=1e-5)
