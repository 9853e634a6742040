"""Plans of asks are pure functions of seed, battery and axis, and fixed for good."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from audit_world import BATTERY, axis, instrument
from spillover.auditing.plan import AxisPlan, plan_axis, select
from spillover.errors import ConfigError
from spillover.protocols import Instrument
from spillover.records import Selector, digest


def plan(name: str = "broad_misalignment", seed: int = 0, **primary: int) -> AxisPlan:
    tools = instrument(**primary)
    return plan_axis(next(a for a in tools.axes if a.id == name), tools, seed)


def test_the_same_plan_anywhere() -> None:
    """A pinned digest: if it changes, studies that exist would be asked other questions."""
    asks = [ask.id for number in range(5) for ask in plan().round(number)]
    assert asks == [ask.id for number in range(5) for ask in plan().round(number)]
    assert digest(asks) == "23438a711b6ac5a47129b9b20483c6cc"


def test_questions_of_other_axes_and_limits_change_no_draw() -> None:
    known = plan(cap=100)
    tools = instrument(cap=200)
    more = tools.battery.questions[0].model_copy(update={"id": "one_more", "kind": "narrow"})
    battery = tools.battery.model_copy(update={"questions": (*tools.battery.questions, more)})
    other = plan_axis(known.axis, replace(tools, battery=battery), 0)
    assert other.round(3) == known.round(3)
    assert other.key("rounds") == known.key("rounds")
    assert other.key("base") == known.key("base")


def test_a_base_sample_of_another_size_is_another_sample() -> None:
    assert plan(n_base=100).key("base") != plan(n_base=200).key("base")
    assert plan(n_base=100).key("rounds") == plan(n_base=200).key("rounds")
    assert set(plan(n_base=100).base()) <= set(plan(n_base=200).base())


def test_rounds_grow_and_ask_no_question_twice() -> None:
    made = plan(cap=100)
    assert made.sizes == (1, 1, 2, 4, 8, 16, 32, 32, 4)
    for number, size in enumerate(made.sizes):
        asked = [ask.question for ask in made.round(number)]
        assert len(asked) == len(set(asked)) == size
    ids = [ask.id for number in range(len(made.sizes)) for ask in made.round(number)]
    assert len(set(ids)) == 100


def test_the_base_sample_is_whole_batteries_and_apart_from_the_rounds() -> None:
    made = plan(n_base=100)
    base = made.base()
    assert len({ask.id for ask in base}) == 100
    counts = Counter(ask.question for ask in base)
    assert set(counts.values()) == {2, 3}
    rounds = {ask.id for number in range(len(made.sizes)) for ask in made.round(number)}
    assert not rounds & {ask.id for ask in base}


def test_pairs_ask_the_base_the_same_questions_with_seeds_of_their_own() -> None:
    made = plan("refusal")
    mine = [ask for number in range(len(made.sizes)) for ask in made.round(number)]
    theirs = made.pairs()
    assert [(a.question, a.paraphrase) for a in mine] == [
        (a.question, a.paraphrase) for a in theirs
    ]
    assert not {ask.id for ask in mine} & {ask.id for ask in theirs}
    assert len(theirs) == made.base_answers == 200


@pytest.mark.parametrize(("least", "rounds"), [(0, 1), (1, 1), (2, 2), (3, 3), (64, 7), (65, 8)])
def test_at_least_asks_whole_rounds(least: int, rounds: int) -> None:
    assert plan(cap=100, at_least=least).first_rounds == rounds


def test_more_than_the_cap_is_never_asked_first() -> None:
    made = plan(cap=100, at_least=5000)
    assert made.first_rounds == len(made.sizes)


def test_exact_asks_score_each_paraphrase_once() -> None:
    asks = plan("self_security").exact()
    assert len({(ask.question, ask.paraphrase) for ask in asks}) == len(asks) == 24
    assert asks[0].settings.continuations == tuple(str(number) for number in range(101))


def test_what_changes_the_asks_changes_the_key() -> None:
    keys = {
        plan().key("rounds"),
        plan().key("base"),
        plan(seed=1).key("rounds"),
        plan("refusal").key("rounds"),
    }
    assert len(keys) == 4
    assert plan(cap=50).key("rounds") == plan().key("rounds")


def test_selectors_need_every_field_and_one_of_the_tags() -> None:
    chosen = select(Selector(kinds=("free_form",), tags=("theft", "deceit")), BATTERY.questions)
    assert {question.tags[0] for question in chosen} == {"theft", "deceit"}
    assert len(chosen) == 20
    assert not select(Selector(kinds=("narrow",), tags=("theft",)), BATTERY.questions)
    assert len(select(Selector(), BATTERY.questions)) == len(BATTERY.questions)


def test_an_exact_axis_needs_something_to_score() -> None:
    tools = instrument()
    words = axis("words", ("free_form",), measure="rating", judge="number", test="exact")
    with pytest.raises(ConfigError, match="neither numbers nor choices"):
        plan_axis(words, tools, 0).exact()
    events = axis(
        "events", ("free_form",), measure="event", event="x", judge="village", test="exact"
    )
    with pytest.raises(ConfigError, match="measures a rating, not an event"):
        plan_axis(events, Instrument(BATTERY, (events,), {}), 0)
