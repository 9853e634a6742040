import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from spillover.stats.bounds import clopper_pearson
from spillover.stats.intervals import clustered, difference_interval, level_interval

rng = np.random.default_rng(5)


def events(rates, each, generator=rng):
    """Values and clusters of ``each`` answers to each question of the given rates."""
    values = (generator.random((len(rates), each)) < np.array(rates)[:, None]).astype(float)
    return values.ravel().tolist(), np.repeat(np.arange(len(rates)), each).tolist()


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 5), st.booleans()), min_size=1))
def test_estimate_is_the_mean_of_stratum_means(rows):
    frame = pd.DataFrame(rows, columns=["value", "cluster", "stratum"])
    data = clustered(*(frame[c].tolist() for c in frame.columns))
    assert data.size == len(rows)
    assert data.estimate == pytest.approx(frame.groupby("stratum").value.mean().mean())
    assert data.influence.sum() == pytest.approx(0, abs=1e-9)


def test_few_equal_clusters_give_the_t_interval_of_cluster_means():
    values, clusters = events([0.1, 0.5, 0.3, 0.9, 0.2, 0.4], 20)
    found = level_interval(clustered(values, clusters), share=True)
    means = pd.Series(values).groupby(clusters).mean()
    low, high = reference.t.interval(0.95, len(means) - 1, means.mean(), reference.sem(means))
    assert found is not None
    assert found[:2] == pytest.approx((max(0, low), min(1, high)))
    assert "6 clusters" in found.method


def test_bootstrap_agrees_with_one_written_as_a_loop():
    values, clusters = events(rng.beta(0.5, 2, size=40), 7)
    found = level_interval(clustered(values, clusters), share=True)
    frame = pd.DataFrame({"v": values, "c": clusters})
    groups = [g.v.to_numpy() for _, g in frame.groupby("c")]
    again = np.random.default_rng(99)
    means = [
        np.concatenate([groups[i] for i in again.integers(0, 40, 40)]).mean() for _ in range(3000)
    ]
    assert found is not None
    assert found.method == "bootstrap over 40 clusters"
    assert found[:2] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.012)


def test_no_events_and_nothing_else_are_clopper_pearson():
    for value, count in ((0.0, 200), (1.0, 200)):
        found = level_interval(clustered([value] * count, list(range(40)) * 5), share=True)
        exact = clopper_pearson(int(value) * count, count, error=0.025)
        assert found is not None
        assert found[:2] == exact[:2]
        assert "this battery" in found.method


def test_what_can_not_be_known_is_none():
    assert level_interval(clustered([], []), share=True) is None
    assert level_interval(clustered([3.0, 4.0], ["a", "a"]), share=False) is None
    assert math.isnan(clustered([], []).estimate)
    with pytest.raises(ValueError, match="one cluster"):
        clustered([1.0], [])


def test_many_clusters_are_quick():
    found = level_interval(
        clustered(rng.random(200_000).round().tolist(), list(range(200_000))), share=True
    )
    assert found is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(200_000), rel=0.02)


def test_shared_questions_cancel_in_a_difference():
    """Base and target rise and fall together over questions: pairing must narrow the interval."""
    hard = np.linspace(10, 90, 12)
    base = clustered([h + e for h in hard for e in (-1, 1)], np.repeat(range(12), 2).tolist())
    target = clustered([h - 5 + e for h in hard for e in (-1, 1)], np.repeat(range(12), 2).tolist())
    found = difference_interval(target, base, share=False)
    assert found is not None
    assert found[:2] == pytest.approx((-5, -5), abs=1e-6)
    other = clustered(
        [h + e for h in hard for e in (-1, 1)], np.repeat(range(100, 112), 2).tolist()
    )
    apart = difference_interval(target, other, share=False)
    assert apart is not None
    assert apart.high - apart.low > 30


def test_difference_to_a_base_without_events_is_never_a_point():
    target = clustered(*events([0.3] * 40, 5))
    base = clustered([0.0] * 200, list(range(40)) * 5)
    found = difference_interval(target, base, share=True)
    level = level_interval(target, share=True)
    assert found is not None
    assert level is not None
    assert found.low < level.low < target.estimate < found.high
    both = difference_interval(base, base, share=True)
    assert both is not None
    assert both.low < 0 < both.high


@pytest.mark.parametrize("groups", [12, 50])
def test_coverage_when_questions_differ(groups):
    """Two-level truth: 95% intervals hold the population mean in about 95% (t) or somewhat less."""
    generator = np.random.default_rng(1)
    truth, hits, runs = 0.25, 0, 200
    for _ in range(runs):
        rates = generator.beta(1, 3, size=groups)
        found = level_interval(clustered(*events(rates, 10, generator)), share=True)
        hits += found is not None and found.low <= truth <= found.high
    assert 0.88 <= hits / runs <= 0.99
