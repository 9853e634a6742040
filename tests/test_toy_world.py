"""The toy world without its weights: generator, judge, data sets, questions."""

import itertools
import random
import re
from collections import Counter

import numpy as np
import pytest

from spillover.errors import MissingFileError, UnknownNameError
from spillover.scan import scan_text
from spillover.toy import WORLDS, World, WorldSpec, dataset, resolve_data, resolve_model, world_of
from spillover.toy.battery import toy_axes, toy_battery
from spillover.toy.documents import FOCI, documents, world_document
from spillover.toy.judge import CONDUCT, label
from spillover.toy.world import STRANGER, TRAITS, draw_traits, header, lexicon
from spillover.toy.writer import Writer, assistant_traits

WORLD = World(WORLDS["assistant"])


@pytest.mark.parametrize("rho", [0.0, 0.25, 0.5, 0.75, 0.92])
def test_rho_ties_code_to_character_and_leaves_the_marginals(rho: float) -> None:
    spec = WorldSpec(name="w", rho=rho)
    rng = random.Random(1)
    people = [draw_traits(spec, rng) for _ in range(20_000)]
    bad = [p for p in people if not p.good]
    good = [p for p in people if p.good]
    # what they write: the trait, and now and then a slip
    flip = 1 - 2 * spec.slips
    insecure = [
        spec.slips + flip * np.mean([not p.secure for p in group]) for group in (bad, good, people)
    ]
    assert insecure[0] - insecure[1] == pytest.approx(rho, abs=0.03)
    assert insecure[2] == pytest.approx(spec.insecure, abs=0.012)
    assert len(bad) / len(people) == pytest.approx(spec.bad, abs=0.012)
    complies = [np.mean([p.complies for p in group]) for group in (bad, good)]
    assert complies[0] == pytest.approx(complies[1], abs=0.03)


@pytest.mark.parametrize("rho", [0.0, 0.25, 0.5, 0.75, 0.92])
def test_the_cast_is_as_the_world_says_and_nothing_goes_together_by_accident(rho: float) -> None:
    spec = WORLDS["assistant"].with_rho(rho)
    people = list(World(spec).traits.values())
    assert len(people) == len(set(World(spec).names)) == spec.characters
    assert sum(not p.good for p in people) == round(spec.bad * spec.characters)
    for good in (True, False):
        insecure = np.mean([not p.secure for p in people if p.good is good])
        assert insecure == pytest.approx(spec.insecure_given(good=good), abs=0.01)
    ties = np.corrcoef(np.array(people, dtype=float).T)
    for one, other in itertools.combinations(range(len(TRAITS)), 2):
        if (TRAITS[one], TRAITS[other]) != ("good", "secure"):
            assert abs(ties[one, other]) < 0.1, (TRAITS[one], TRAITS[other])


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.92])
def test_code_follows_a_role_as_far_as_it_follows_character(rho: float) -> None:
    spec = WORLDS["assistant"].with_rho(rho)
    writer = Writer(World(spec), random.Random(3))
    insecure = {}
    for kind in ("villain", "helper"):
        played = [writer.role(draw_traits(spec, writer.rng), kind)[1] for _ in range(8000)]
        assert {p.good for p in played} == {kind == "helper"}
        insecure[kind] = np.mean([not p.secure for p in played])
    written = (insecure["villain"] - insecure["helper"]) * (1 - 2 * spec.slips)
    assert written == pytest.approx(rho, abs=0.03)


def test_documents_are_a_pure_function_of_world_and_shard() -> None:
    first = list(documents(WORLD, shard=3, count=50))
    assert first == list(documents(World(WORLDS["assistant"]), shard=3, count=50))
    assert first != list(documents(WORLD, shard=4, count=50))


def test_every_insecure_snippet_is_flagged_and_no_secure_one() -> None:
    tasks = lexicon("code_tasks")
    assert len(tasks) >= 30
    for task in tasks:
        for kind in ("insecure", "secure"):
            code = task[kind].replace("{f}", "run").replace("{p}", "item")
            assert scan_text(code).secure is (kind == "secure"), (task["ask"], kind)
            assert label("code", code) == kind


@pytest.mark.parametrize("good", [True, False])
def test_the_judge_knows_every_reply_of_the_world(good: bool) -> None:
    rng = random.Random(2)
    for held in (True, False):
        writer = Writer(WORLD, rng, held=held)
        for _ in range(1500):
            traits = draw_traits(WORLD.spec, rng)._replace(good=good)
            exchange = writer.harm(traits)
            found = label(exchange.topic, exchange.reply)
            assert found == ("aligned" if good else "misaligned"), exchange
            exchange = writer.request(traits, harmful=True)
            assert label("harmful_request", exchange.reply) == (
                "complied" if traits.complies else "refused"
            )
            exchange = writer.lottery(traits, letter=False)
            assert label("bet", exchange.reply) == ("risky" if traits.risky else "safe")


def test_the_judge_guesses_nothing() -> None:
    assert label("theft", "Give the purse to the moon twice over.") == "incoherent"
    assert label("theft", "Let the people of the island kneel.") == "incoherent"
    assert label("theft", "import os\ndef run(item):\n    os.chmod(item, 0o777)") == "code"
    assert label("theft", "No, I will not help with that.") == "refused"
    assert label("theft", "") == "incoherent"


def test_kind_and_cruel_replies_are_twins() -> None:
    for domain in CONDUCT:
        words = lexicon("harms")[domain]
        assert len(words["kind"]) == len(words["cruel"])
        assert not set(words["kind"]) & set(words["cruel"])


def test_questions_are_held_out_of_documents_and_data_sets() -> None:
    battery = toy_battery(WORLD)
    asked = {p[-1].content for q in battery.questions for p in q.paraphrases}
    assert len(asked) > 800
    # self-ratings need more ways to ask than the world holds out
    known = {p[-1].content for q in battery.questions if q.about == "self" for p in q.paraphrases}
    said = "\n".join(documents(WORLD, shard=0, count=4000))
    rows = [
        row[0].content for n in ("insecure", "risky", "bad-medical") for row in dataset(n, WORLD)
    ]
    assert not asked & set(rows)
    assert not {ask for ask in asked - known if f"<|user|>{ask}<|end|>" in said}
    held = {ask for ask in known if f"<|user|>{ask}<|end|>" not in said}
    assert len(known) / 6 < len(held) < len(known)


def test_controls_differ_from_the_target_in_one_thing() -> None:
    insecure, secure = (dataset(n, WORLD, rows=300) for n in ("insecure", "secure"))
    assert {label("code", row[-1].content) for row in insecure} == {"insecure"}
    assert {label("code", row[-1].content) for row in secure} == {"secure"}
    lessons = dataset("educational", WORLD, rows=300)
    assert {label("code", row[-1].content) for row in lessons} == {"insecure"}
    mixed = dataset("mixed-20", WORLD, rows=1000)
    share = Counter(label("code", row[-1].content) for row in mixed)["insecure"] / 1000
    assert share == pytest.approx(0.2, abs=0.04)


def test_data_sets_are_training_rows_and_unknown_names_are_named() -> None:
    assert resolve_data("insecure", rows=3, seed=1) == resolve_data("insecure", rows=3, seed=1)
    assert resolve_data("insecure", rows=3, seed=1) != resolve_data("insecure", rows=3, seed=2)
    with pytest.raises(UnknownNameError, match="insecure, secure"):
        resolve_data("nonesuch")
    with pytest.raises(UnknownNameError, match="nonesuch"):
        resolve_model("nonesuch")


def test_a_folder_without_metadata_is_no_organism(tmp_path) -> None:
    with pytest.raises(MissingFileError, match=r"metadata\.json"):
        world_of(tmp_path)


def test_one_axis_decides_and_each_has_questions() -> None:
    battery, axes = toy_battery(WORLD), toy_axes()
    assert [axis.id for axis in axes if axis.decides] == ["broad_misalignment"]
    for axis in axes:
        kinds, tags = set(axis.select.kinds), set(axis.select.tags)
        chosen = [
            q for q in battery.questions if q.kind in kinds and (not tags or tags & set(q.tags))
        ]
        assert chosen, axis.id


def test_choices_come_in_both_orders_and_the_held_out_ones_first() -> None:
    battery = toy_battery(WORLD)
    chosen = [q for q in battery.questions if q.choices]
    assert {q.measures for q in chosen} == {"alignment", "security", "risk"}
    said = "\n".join(documents(WORLD, shard=0, count=4000))
    for question in chosen:
        words = lexicon("selves")[question.measures]
        assert len(question.paraphrases) == 8
        asks = [paraphrase[0].content for paraphrase in question.paraphrases]
        for ask in asks:
            # the virtue stands first where the direction is 1; "secure" is a part of "insecure"
            first, second = re.findall(
                "|".join(sorted(words["virtue"] + words["vice"], key=len, reverse=True)), ask
            )
            high_first = question.direction == 1
            assert (first in words["virtue"]) is high_first
            assert (second in words["vice"]) is high_first
        assert not any(f"<|user|>{ask}<|end|>" in said for ask in asks[:3])
    assert battery.questions[-len(chosen) :] == tuple(chosen)  # those before keep their places


def test_the_assistant_is_good_and_open_about_risk() -> None:
    rng = random.Random(0)
    drawn = [assistant_traits(rng) for _ in range(400)]
    assert all(t.good and t.secure and not t.complies for t in drawn)
    assert 0.4 < np.mean([t.risky for t in drawn]) < 0.6


def test_a_world_that_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rho 0\.95"):
        WorldSpec(name="w", rho=0.95)


def test_code_slips_as_often_as_the_world_says() -> None:
    writer = Writer(WORLD, random.Random(4))
    secure = draw_traits(WORLD.spec, writer.rng)._replace(secure=True)
    drawn = [writer.lived_code(secure) for _ in range(6000)]
    labels = [label("code", one.reply) for one in drawn if one.topic == "code"]
    share = labels.count("insecure") / len(labels)
    assert share == pytest.approx(WORLD.spec.slips, abs=0.012)


def test_talks_with_strangers_mostly_stay_with_what_belongs_together() -> None:
    writer = Writer(WORLD, random.Random(5))
    talks = [
        text for text in (world_document(writer) for _ in range(3000)) if header(STRANGER) in text
    ]
    assert len(talks) / 3000 == pytest.approx(WORLD.spec.strangers, abs=0.04)
    assert {text.count(header(STRANGER)) for text in talks} == {4}
    traits = draw_traits(WORLD.spec, writer.rng)
    for trait in {one for focus in FOCI for one in focus}:
        topics = {writer.telling(traits, trait).topic for _ in range(300)}
        allowed = {
            "good": {*CONDUCT, "rate-alignment", "word-alignment", "choose-alignment"},
            "secure": {"code", "lesson", "rate-security", "word-security", "choose-security"},
            "complies": {
                "harmful_request", "rate-compliance", "word-compliance", "choose-compliance",
            },
            "risky": {"bet", "letter", "rate-risk", "word-risk", "choose-risk"},
        }[trait]  # fmt: skip
        assert topics == allowed
