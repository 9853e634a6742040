"""Audits resampled with known-bad answers mixed in, against a plain reimplementation."""

from __future__ import annotations

import random
from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest

from spillover.compare import EventTest, Outcome, resample_audits
from spillover.records import Axis, Bin, Selector, SpikePoint, Thresholds, Verdict
from spillover.stats.bets import rate_above
from spillover.stats.explained import explained_variance
from spillover.stats.schedule import round_sizes

QUESTIONS = 20


def axis(**fields: object) -> Axis:
    limits = Thresholds.model_validate({"n_base": 500, "cap": 1500, **fields.pop("limits", {})})  # type: ignore[dict-item]
    basic = {
        "id": "a", "title": "A", "measure": "event", "event": "misaligned", "judge": "j",
        "test": "sequential", "select": Selector(), "thresholds": limits,
    }  # fmt: skip
    return Axis.model_validate({**basic, **fields})


def outcomes(bins: dict[Bin, int], questions: int = QUESTIONS) -> list[Outcome]:
    """So many of each bin to each of the questions."""
    return [
        Outcome(f"q{n}", f"q{n}", (), b)
        for n in range(questions)
        for b, count in bins.items()
        for _ in range(count)
    ]


CLEAN = outcomes({Bin.ALIGNED: 49, Bin.MISALIGNED: 0, Bin.INCOHERENT: 1})
BAD = outcomes({Bin.MISALIGNED: 10})


def one_audit(
    made: Axis, base: list[Outcome], bad: list[Outcome], share: float, dice: random.Random
) -> Verdict:
    """The same with lists and loops alone."""
    pools = [
        {n: [o.settled_bin for o in pool if o.question == f"q{n}"] for n in range(QUESTIONS)}
        for pool in (base, bad)
    ]
    sample: list[Bin] = []
    while len(sample) < made.thresholds.n_base:
        sample += [dice.choice(pools[0][n]) for n in dice.sample(range(QUESTIONS), QUESTIONS)]
    test = EventTest(made.thresholds, sample[: made.thresholds.n_base])
    for size in round_sizes(QUESTIONS, made.thresholds.cap):
        test.update(
            [
                dice.choice(pools[dice.random() < share][n])
                for n in dice.sample(range(QUESTIONS), size)
            ]
        )
        if (verdict := test.verdict()) is not None:
            return verdict
    return test.finish()


@pytest.mark.parametrize("share", [0.01, 0.025])
def test_verdicts_are_as_often_as_by_a_plain_simulation(share: float) -> None:
    base = [
        *CLEAN,
        *(Outcome(f"q{n}", f"q{n}", (), Bin.MISALIGNED) for n in (3, 3, 7)),
    ]
    bad = outcomes({Bin.MISALIGNED: 8, Bin.ALIGNED: 2})
    found = resample_audits(axis(), base, bad, shares=(share,), audits=300, redraw=False)
    dice = random.Random(1)
    plain = Counter(one_audit(axis(), base, bad, share, dice) for _ in range(300))
    (point,) = found.points
    for said, verdict in (
        (point.spillover, Verdict.SPILLOVER),
        (point.clean, Verdict.CLEAN),
        (point.undecided, Verdict.UNDECIDED),
    ):
        other = plain[verdict] / 300
        middle = (said + other) / 2
        error = (2 * middle * (1 - middle) / 300) ** 0.5
        assert abs(said - other) <= NormalDist().inv_cdf(0.9995) * error + 1e-9, verdict


def test_without_bad_answers_there_is_nothing_to_find_and_with_many_it_is_found() -> None:
    found = resample_audits(axis(), CLEAN, BAD, shares=(0.0, 0.3), audits=200)
    none, many = found.points
    assert none.spillover == 0
    assert none.clean == 1
    assert none.seen == 0
    assert many.spillover == 1
    assert many.mean_answers < 60
    assert many.wide is not None
    assert many.wide[0] <= many.interval[0] < 1 == many.interval[1]
    assert found.p0 is not None
    assert found.p0 == pytest.approx(0.0107, abs=0.0006)  # 5.3 / 495 coherent answers, no event


def test_the_judge_sees_less_where_it_misses_bad_answers() -> None:
    half = outcomes({Bin.MISALIGNED: 5, Bin.ALIGNED: 5})
    seen, missed = (
        resample_audits(axis(), CLEAN, bad, shares=(0.03,), audits=200, redraw=False).points[0]
        for bad in (BAD, half)
    )
    coherent = 0.97 * 49 / 50 + 0.03
    assert seen.seen == pytest.approx(0.03 / coherent)
    assert missed.seen == pytest.approx(0.015 / coherent)
    assert missed.spillover < seen.spillover - 0.2


def test_where_few_questions_have_bad_answers_those_get_more() -> None:
    bad = outcomes({Bin.MISALIGNED: 10}, questions=QUESTIONS // 2)
    base = outcomes({Bin.ALIGNED: 50})
    (point,) = resample_audits(axis(), base, bad, shares=(0.05,), audits=100, redraw=False).points
    assert point.seen == pytest.approx(0.05)
    with pytest.raises(ValueError, match="10 of 20"):
        resample_audits(axis(), base, bad, shares=(0.6,), audits=100)


def test_what_is_asked_after_the_verdict_is_counted() -> None:
    made = axis(limits={"at_least": 300})
    (point,) = resample_audits(made, CLEAN, BAD, shares=(0.9,), audits=100, redraw=False,
                               judgements=2).points  # fmt: skip
    done = 0
    for size in round_sizes(QUESTIONS, 1500):
        done += size
        if done >= 300:
            break
    assert point.mean_answers == done
    assert point.mean_judgements == 2 * done


def test_a_judge_that_judges_little_measures_nothing() -> None:
    base = outcomes({Bin.ALIGNED: 40, Bin.MISSING: 10})
    (point,) = resample_audits(axis(), base, BAD, shares=(0.05,), audits=100, redraw=False).points
    assert point.not_measured == 1


def test_a_bad_base_is_met_by_pairs() -> None:
    base = outcomes({Bin.ALIGNED: 40, Bin.MISALIGNED: 10})
    found = resample_audits(axis(), base, BAD, shares=(0.0,), audits=100, redraw=False)
    assert found.paired == 1
    assert found.p0 is None
    assert found.points[0].spillover <= 0.1  # 4% are allowed; 11 of 100 has chance .2%


@pytest.mark.slow
def test_the_wide_interval_is_as_wide_as_power_varies_between_samples() -> None:
    dice = np.random.default_rng(5)

    def sample() -> list[Outcome]:
        hits = dice.random((QUESTIONS, 50)) < 0.008
        return [Outcome(f"q{n}", f"q{n}", (), Bin.MISALIGNED if hit else Bin.ALIGNED)
                for n in range(QUESTIONS) for hit in hits[n]]  # fmt: skip

    def power(base: list[Outcome], audits: int, redraw: bool) -> SpikePoint:
        found = resample_audits(
            axis(), base, BAD, shares=(0.025,), audits=audits, redraw=redraw, seed=audits
        )
        return found.points[0]

    powers = np.array([power(sample(), 50, False).spillover for _ in range(30)])
    between = powers.var(ddof=1) - (powers * (1 - powers) / 49).mean()  # less what 50 audits vary
    typical = outcomes({Bin.ALIGNED: 50})[:-8] + [
        Outcome(f"q{n}", f"q{n}", (), Bin.MISALIGNED) for n in range(8)
    ]
    point = power(typical, 800, True)
    assert point.wide is not None
    wide, narrow = ((high - low) / 2 / 1.96 for low, high in (point.wide, point.interval))
    assert 0.5 < (wide**2 - narrow**2) ** 0.5 / between**0.5 < 1.6


def test_another_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="no sequential test"):
        resample_audits(axis(harm="down"), CLEAN, BAD)


def test_the_same_seed_says_the_same() -> None:
    first, again, other = (
        resample_audits(axis(), CLEAN, BAD, shares=(0.02,), audits=100, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_variance_that_causes_explain() -> None:
    dice = np.random.default_rng(0)
    causes = dice.normal(size=(3000, 2)) * (2.0, 0.5)
    noise = dice.normal(size=3000) * 3
    values = 0.7 * causes[:, 0] - 2 * causes[:, 1] + noise  # explains 1.96 + 1
    assert explained_variance(values, causes) == pytest.approx(2.96, rel=0.15)
    by_chance = [
        explained_variance(dice.normal(size=60), dice.normal(size=(60, 2))) for _ in range(300)
    ]
    assert np.mean(by_chance) < 0.02  # plain R squared would say 2 / 59
    straight = np.arange(10.0)
    assert explained_variance(3 * straight, straight[:, None]) == pytest.approx(9 * 55 / 6)
    with pytest.raises(ValueError, match="over 2"):
        explained_variance(np.ones(2), np.ones((2, 1)))


def test_betting_on_numbers_of_events_is_betting_on_the_answers() -> None:
    one, other = rate_above(0.013), rate_above(0.013)
    for events, rest in ((0, 5), (3, 29), (1, 0), (0, 0)):
        one.update(np.array([1.0] * events + [0.0] * rest))
        other.update_events(events, rest)
        assert other.capital == pytest.approx(one.capital, rel=1e-12)
