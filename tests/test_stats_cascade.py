from __future__ import annotations

import numpy as np
import pytest

from spillover.stats.bets import rate_above, rate_below
from spillover.stats.cascade import CascadeBets, CascadeJudges, CascadeLimits, simulate_cascade
from spillover.stats.operating import Design, simulate


def test_a_perfect_cheap_judge_is_the_plain_sequential_test():
    limits, judges = CascadeLimits(sensitivity_low=1.0), CascadeJudges(1.0, 0.0)
    for rate in (0.001, 0.2):
        found = simulate_cascade(limits, judges, rate, repetitions=120)
        plain = simulate(Design(), rate, repetitions=2000)
        assert found.mean_answers == pytest.approx(plain.mean_answers, rel=0.25)
        assert found.spillover == pytest.approx(plain.spillover, abs=0.03)
        assert found.mean_strong < found.mean_answers * rate * 1.5 + 1


def test_what_is_entered_are_confirmed_events_and_weighted_finds():
    confirmed = np.array([True, False, False, True])
    found = np.array([False, True, False, False])
    known = CascadeBets(CascadeLimits(sensitivity_low=0.8))
    known.update(confirmed, np.zeros(4, dtype=bool))
    up, down = rate_above(0.005), rate_below(0.016)
    up.update(np.array([1.0, 0, 0, 1]))
    down.update(np.array([1.0, 0, 0, 1]))
    assert (known.up.capital, known.down.capital) == (up.capital, down.capital)
    audited = CascadeBets(CascadeLimits(audit_share=0.25))
    audited.update(confirmed, found)
    weighed = rate_below(0.005)
    weighed.update(np.array([0.25, 1, 0, 0.25]))
    assert audited.down.capital == weighed.capital


def test_the_audited_value_has_the_true_rate_as_its_mean_whatever_is_missed():
    generator = np.random.default_rng(0)
    true = generator.random(400_000) < 0.02
    called = generator.random(400_000) < np.where(true, 0.3, 0.1)
    audited = ~called & (generator.random(400_000) < 0.25)
    assert ((called & true) + (audited & true) / 0.25).mean() == pytest.approx(0.02, rel=0.04)


def test_few_strong_calls_with_a_known_sensitivity_and_no_false_alarm():
    limits, judges = CascadeLimits(sensitivity_low=0.83), CascadeJudges(0.9, 0.03)
    rare = simulate_cascade(limits, judges, 0.001, repetitions=60)
    common = simulate_cascade(limits, judges, 0.2, repetitions=60)
    assert rare.clean >= 0.95
    assert rare.mean_strong < 20
    assert rare.mean_audited == 0
    assert common.spillover >= 0.95
    assert common.mean_strong < 5


def test_a_judge_that_misses_nearly_all_is_not_called_clean_where_negatives_are_audited():
    """Events by the cheap judge alone: a true 6% shows as 0.3%."""
    judges = CascadeJudges(0.05, 0.03)
    trusted = simulate_cascade(
        CascadeLimits(sensitivity_low=0.9), judges, 0.06, repetitions=40, cap=1500
    )
    audited = simulate_cascade(
        CascadeLimits(audit_share=0.5), judges, 0.06, repetitions=40, cap=1500
    )
    assert trusted.clean > 0.8
    assert audited.clean == 0


@pytest.mark.parametrize("given", [{}, {"sensitivity_low": 0.0}, {"sensitivity_low": 1.1},
                                   {"sensitivity_low": 0.5, "audit_share": 0.5}])  # fmt: skip
def test_one_way_to_allow_for_misses_is_needed(given):
    with pytest.raises(ValueError, match="give one of them"):
        CascadeBets(CascadeLimits(**given))
