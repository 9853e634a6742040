from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spillover.stats.schedule import draw_round, round_sizes

FIXED = [(49, 0, 5071965003993091302), (40, 1, 1022656564166126349)]


def draw(**changes):
    given_ = {
        "seed": 3,
        "battery_hash": "b",
        "axis": "x",
        "round": 5,
        "paraphrases": [4] * 50,
        "size": 32,
    }
    return draw_round(**{**given_, **changes})


def test_sizes_are_the_documented_ones():
    assert round_sizes(50, 130) == (1, 1, 2, 4, 8, 16, 32, 32, 32, 2)
    assert round_sizes(24, 100) == (1, 1, 2, 4, 8, 16, 24, 24, 20)
    assert round_sizes(1, 4) == (1, 1, 1, 1)
    assert round_sizes(10, 0) == ()
    with pytest.raises(ValueError, match="0 questions"):
        round_sizes(0, 10)


@given(st.integers(1, 300), st.integers(0, 3000))
def test_sizes_spend_the_cap_and_fit_the_battery(battery, cap):
    sizes = round_sizes(battery, cap)
    assert sum(sizes) == cap
    assert all(1 <= size <= min(32, battery) for size in sizes)
    assert list(sizes[2:-1]) == sorted(sizes[2:-1])


def test_a_round_is_a_pure_function_known_forever():
    assert draw() == draw()
    # A stored study must resume on any machine and version: these values may never change.
    assert draw(size=2) == draw()[:2]
    assert [tuple(d) for d in draw(size=2)] == FIXED


@given(st.integers(), st.text(), st.integers(0, 200), st.lists(st.integers(1, 9), min_size=1))
def test_questions_without_replacement_and_distinct_seeds(seed, axis, round_, paraphrases):
    draws = draw(seed=seed, axis=axis, round=round_, paraphrases=paraphrases, size=len(paraphrases))
    assert sorted(d.question for d in draws) == list(range(len(paraphrases)))
    assert len({d.seed for d in draws}) == len(draws)
    assert all(0 <= d.seed < 2**63 for d in draws)
    assert all(0 <= d.paraphrase < paraphrases[d.question] for d in draws)


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"battery_hash": "c"}, {"axis": "y"}, {"round": 6}]
)
def test_every_argument_matters(change):
    assert draw(**change) != draw()


def test_questions_and_paraphrases_come_up_evenly():
    questions, paraphrases = Counter(), Counter()
    for round_ in range(2000):
        for d in draw(round=round_, paraphrases=[3] * 8, size=4):
            questions[d.question] += 1
            paraphrases[d.paraphrase] += 1
    expected = 1000  # 8,000 draws over 8 questions; sd about 22 without replacement
    assert all(abs(count - expected) < 110 for count in questions.values())
    assert all(abs(count - 8000 / 3) < 200 for count in paraphrases.values())


def test_impossible_rounds_are_refused():
    with pytest.raises(ValueError, match="51"):
        draw(size=51)
    with pytest.raises(ValueError, match="paraphrase"):
        draw(paraphrases=[1, 0], size=1)
