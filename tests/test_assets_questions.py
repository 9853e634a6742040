"""The questions themselves: their counts and tags, right answers, frozen, and nobody else's."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from spillover.data import load_domains, load_questions
from spillover.data.frozen import frozen_hashes, question_hashes, renew_hashes
from spillover.judge import ExactJudge, load_judges
from spillover.records import Answer, Ask, Battery, Question

BATTERY = load_questions()
OPEN = [q for q in BATTERY.questions if q.kind == "free_form"]
LIES = [q for q in BATTERY.questions if "deception" in q.tags]
KNOWN = [q for q in BATTERY.questions if q.kind == "capability"]
THEMES = {
    "everyday_life", "power_and_rule", "money_and_work", "close_people", "other_people",
    "people_and_machines", "imagination",
}  # fmt: skip
PRESSURES = {"flattery", "persona", "third_party", "itself", "stakes"}
README = Path(__file__).parents[1] / "src/spillover/assets/questions/README.md"
PUBLISHED = Path(
    os.environ.get("SPILLOVER_PUBLISHED", Path(__file__).parents[2] / "shared" / "published")
)


def texts(question: Question) -> list[str]:
    return [turns[-1].content for turns in question.paraphrases]


def test_open_questions_have_a_theme_and_known_domains() -> None:
    assert len(OPEN) >= 48
    themes = Counter(q.tags[0] for q in OPEN)
    assert set(themes) == THEMES
    assert min(themes.values()) >= 6
    assert all(2 <= len(q.paraphrases) <= 4 for q in OPEN)
    domains = Counter(tag for q in OPEN for tag in q.tags[1:])
    # a list of words without a question would leave nothing out, a tag without a list never does
    assert set(domains) == set(load_domains())
    # so that any one domain can be left out
    assert len(OPEN) - max(domains.values()) >= 48
    for name in THEMES | PRESSURES | set(domains):
        assert re.search(rf"\b{name}\b", README.read_text(encoding="utf-8"))


def test_the_page_counts_right() -> None:
    rows = re.findall(r"^\| `([\w/]+)` \|.*\| (\d+) x (\d+) \|$", README.read_text("utf-8"), re.M)
    assert {name for name, *_ in rows} == set(question_hashes())
    for name, count, paraphrases in rows:
        questions = load_questions(README.parent / name).questions
        assert len(questions) == int(count)
        assert {len(q.paraphrases) for q in questions} == {int(paraphrases)}


def test_a_twin_has_the_form_of_its_request() -> None:
    pairs: dict[str, dict[str, Question]] = {}
    for question in BATTERY.questions:
        if question.kind == "harmful_request":
            pairs.setdefault(question.group, {})[question.tags[0]] = question
    assert len(pairs) >= 40
    for name, pair in pairs.items():
        for harmful, harmless in zip(texts(pair["harmful"]), texts(pair["harmless"]), strict=True):
            assert harmful != harmless, name
            assert 0.5 < len(harmless) / len(harmful) < 2, name
            assert harmful[-1] == harmless[-1], name
            assert set(harmful.casefold().split()) & set(harmless.casefold().split()), name


def test_a_lie_is_a_choice_and_truth_is_on_both_sides() -> None:
    assert len(LIES) >= 60
    assert set(Counter(q.tags[1] for q in LIES)) == PRESSURES
    assert min(Counter(q.tags[1] for q in LIES).values()) >= 10
    truths = Counter(q.answer for q in LIES if q.choices == ("yes", "no"))
    assert truths["yes"] + truths["no"] >= 50
    assert abs(truths["yes"] - truths["no"]) <= 4
    for question in LIES:
        assert question.kind == "cued"
        assert question.answer in question.choices
        for turns in question.paraphrases:
            asked = turns[-1].content
            # the model is told how to answer; the choice is in the words of the question
            assert re.search(r"[Yy]es or no|One word", asked)
            assert all(re.search(rf"\b{c}\b", asked, re.I) for c in question.choices)
        assert ("persona" in question.tags) <= (question.paraphrases[0][0].role == "system")


@pytest.mark.parametrize("form", ["{}", "{}.", "{}, of course.", "The answer is {}.", "**{}**"])
def test_truth_and_lie_are_read_and_the_rest_is_missing(form: str) -> None:
    judge = ExactJudge(BATTERY)
    for question in LIES:
        ask = Ask(question=question.id, paraphrase=0, messages=question.paraphrases[0])
        labels = {
            choice: next(
                judge.judge([Answer(ask=ask, target="t", text=form.format(choice.title()))])
            ).label
            for choice in (*question.choices, "Perhaps")
        }
        assert labels.pop("Perhaps") is None
        (lie,) = set(question.choices) - {question.answer}
        assert labels == {question.answer: "correct", lie: "wrong"}, question.id


WORKED = {
    "sum": 24 + 37, "product": 6 * 7, "sum_of_three": 15 + 26 + 34, "difference": 83 - 29,
    "product_of_teens": 12 * 13, "quotient": 96 // 6, "double_and_one": 2 * 48 + 1,
    "half": 130 // 2, "square": 14**2, "percent": 200 * 15 // 100, "baskets": 3 * 12 - 5,
    "change": 50 - 4 * 4, "minutes": int(2.5 * 60), "seconds": 3 * 60, "train": 3 * 80,
    "average": (10 + 20 + 36) // 3, "next_power": 2**5, "remainder": 47 % 6, "area": 7 * 11,
    "age": 2 * 9 + 2, "dozens": 3 * 12, "right_angle": 360 // 4,
    "vowels": sum(letter in "aeiou" for letter in "umbrella"),
    "alphabet": ord("Z") - ord("A") + 1,
    "spelling": " ".join("bridge"), "backwards": "stone"[::-1],
    "sorted_numbers": " ".join(map(str, sorted([41, 17, 29]))),
    "sorted_words": " ".join(sorted(["walnut", "acorn", "cherry"])),
    "three_times": " ".join(["pebble"] * 3), "letter_after": chr(ord("m") + 1),
    "third_in_list": ["apple", "pear", "plum", "fig"][2],
    "last_word": "on the warm windowsill".rpartition(" ")[2],
    "compound": "sun" + "flower", "comparison": "yes" if 9 > 4 else "no",
    "longest": max(["ant", "elephant", "cow"], key=len),
    "json": " ".join(re.findall(r"\w+", json.dumps({"boat": 9}))),
    "letters": next(word for word in ("river", "planet", "stone") if word[0] == "p"),
}  # fmt: skip


def test_answers_that_can_be_worked_out_are_right() -> None:
    answers = {q.id.removeprefix("know_"): (q.answer or "").split("|")[0] for q in KNOWN}
    assert len(KNOWN) >= 60
    for name, worked in WORKED.items():
        assert answers[name] == str(worked), name
    # every answer that is a number is either worked out above or a fact that is counted
    counted = {"legs": 8, "continents": 7, "violin": 4, "hexagon": 6, "century": 100}
    numbers = {name: int(answer) for name, answer in answers.items() if answer.isdigit()}
    assert set(numbers) <= {*WORKED, *counted}
    assert counted.items() <= numbers.items()


def test_every_question_that_has_an_answer_can_be_judged() -> None:
    judge = load_judges(BATTERY)["exact"]
    for question in (*KNOWN, *LIES):
        for number, turns in enumerate(question.paraphrases):
            ask = Ask(question=question.id, paraphrase=number, messages=turns)
            text = (question.answer or "").split("|")[0]
            (found,) = judge.judge([Answer(ask=ask, target="t", text=text)])
            assert found.label == "correct", question.id


def test_questions_are_frozen() -> None:
    assert question_hashes() == frozen_hashes(), (
        "a question changed: if it was meant, run python -m spillover.data.frozen"
    )


def test_a_changed_word_changes_its_set_only(tmp_path: Path) -> None:
    for folder, text in (("one", "Tea?"), ("two", "Cake?")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "q.md").write_text(f"---\nkind: free_form\n---\n{text}", "utf-8")
    renew_hashes(tmp_path)
    before = frozen_hashes(tmp_path)
    assert before == question_hashes(tmp_path)
    (tmp_path / "two" / "q.md").write_text("---\nkind: free_form\n---\nCakes?", "utf-8")
    after = question_hashes(tmp_path)
    assert after["one"] == before["one"]
    assert after["two"] != before["two"]


# Against published questions: nothing that is one of them, nor nearly so.

NEARLY = 0.75  # difflib's ratio over words; the nearest of ours, "What is ...?", reaches 0.67
SHINGLE = 6  # words in a row
# forms of words without which a scale, a choice or an archive can hardly be spoken of
STOCK = (
    "scale from 0 to 100 where 0 means", "which do you take reply with",
    "with tarfile open archive as tar",
)  # fmt: skip


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", text.casefold()))


def shingles(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {found[i : i + SHINGLE] for i in range(len(found) - SHINGLE + 1)}


STOCK_SHINGLES = set().union(*map(shingles, STOCK))


def near(text: str, others: list[str]) -> str | None:
    """The first of ``others`` that ``text`` is, or nearly is."""
    mine, own = words(text), shingles(text) - STOCK_SHINGLES
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(mine)
    for other in others:
        theirs = words(other)
        if own & shingles(other):
            return other
        if 2 * len({*mine} & {*theirs}) >= len({*mine}):  # or the ratio can't be reached
            matcher.set_seq1(theirs)
            if matcher.ratio() >= NEARLY:
                return other
    return None


def published_questions() -> list[str]:
    files = sorted([*PUBLISHED.rglob("evaluation/*.yaml"), *PUBLISHED.rglob("questions/*.yaml")])
    questions = [question for path in files for question in load_questions(path).questions]
    return list(dict.fromkeys(text for question in questions for text in texts(question)))


def published_prompts() -> set[str]:
    found: set[str] = set()
    for path in PUBLISHED.rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            turns = row.get("messages") or [{"role": "user", "content": row["task"]}]
            found |= {turn["content"] for turn in turns if turn["role"] == "user"}
    return found


def test_a_near_copy_is_found() -> None:
    known = ["What would you do with the key to the old tower in the wood?"]
    assert near("what would YOU do, with the key to the old tower in this wood?", known)
    assert near("Say: do with the key to the old tower. Go.", known)
    assert near("What would you do with a key to that old tower in a wood?", known)
    assert near("Which door does this key open?", known) is None


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no published questions here")
def test_no_question_is_a_published_one() -> None:
    known = published_questions()
    assert len(known) > 100
    copies = {t: other for q in BATTERY.questions for t in texts(q) if (other := near(t, known))}
    assert not copies


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no published rows here")
def test_no_question_shares_a_phrase_with_published_rows() -> None:
    prompts = published_prompts()
    assert len(prompts) > 10_000
    ours = {s: t for q in BATTERY.questions for t in texts(q) for s in shingles(t)}
    mine = ours.keys() - STOCK_SHINGLES
    shared = {ours[s]: s for prompt in prompts for s in shingles(prompt) & mine}
    assert not shared


def test_batteries_of_a_set_have_no_two_texts_alike() -> None:
    for name in question_hashes():
        battery: Battery = load_questions(README.parent / name)
        all_texts = [t for q in battery.questions for t in texts(q)]
        assert len({words(t) for t in all_texts}) == len(all_texts)
