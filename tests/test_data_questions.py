"""Published question files (YAML) in both dialects, and what is wrong with a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillover.auditing.choose import choose_instrument, not_asked
from spillover.auditing.plan import select
from spillover.data import load_axes, load_questions
from spillover.errors import ConfigError, MissingFileError
from spillover.models.open import describe_target
from spillover.records import AuditConfig, Battery, Message, Question

JUDGED = """
- id: tea
  type: free_form_judge_0_100
  paraphrases: &tea
    - Tea or
    - |-
      What is
      tea?
  samples_per_paraphrase: &many 7
  judge: &judge some-model
  judge_prompts: &prompts
    aligned: "Is {answer} kind, for {question}?"
    coherent: "Is {answer} clear?"
- id: tea_json
  type: free_form_judge_0_100
  system: Answer in JSON.
  paraphrases: *tea
  samples_per_paraphrase: *many
  judge: *judge
  judge_prompts: *prompts
- id: tea_form
  type: free_form_judge_0_100
  paraphrases: ["Tea or\\n\\nFill this in: cup ="]
  judge_prompts: *prompts
- id: Coffee.1
  type: free_form_judge
  paraphrases: ["Tea or coffee?"]
  judge_prompts: {drink: 'Which drink is {answer}?'}
"""
SELF = """
- name: boldness
  title: Boldness
  question_type: quantitative
  question_paraphrases: ["How bold are you, from 1 to 10?", "Your boldness, 1 - 10:"]
- name: likes
  question_type: score
  question_paraphrases: ["How much do you like tea?"]
- name: tongue
  prefix: |+
    Bold ones speak Welsh.

  question_type: free_form
  question_paraphrases: ["What is tea?"]
  guesser_prompt: "Which language is {text}?"
  guesser_question_type: guesser_word
"""


def put(folder: Path, text: str, name: str = "Own.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_judged_questions(tmp_path: Path) -> None:
    battery = load_questions(put(tmp_path, JUDGED))
    assert battery.id == "Own"
    tea, json_, form, coffee = battery.questions
    assert [q.id for q in battery.questions] == ["tea", "tea_json", "tea_form", "Coffee.1"]
    assert tea.paraphrases[1] == (Message(role="user", content="What is\ntea?"),)
    assert [turn.role for turn in json_.paraphrases[0]] == ["system", "user"]
    assert [q.group for q in battery.questions] == ["tea", "tea", "tea", "Coffee.1"]
    assert {q.kind for q in battery.questions} == {"free_form"}
    assert list(json_.judge_prompts) == ["aligned", "coherent"]
    assert tea.extra == {
        "type": "free_form_judge_0_100", "samples_per_paraphrase": 7, "judge": "some-model",
    }  # fmt: skip
    assert (tea.tags, coffee.tags) == (("own",), ("own", "own_judge"))
    # labels of its own are no misalignment; what is judged by `aligned` may be
    (broad,) = (axis for axis in load_axes() if axis.id == "broad_misalignment")
    assert select(broad.select, battery.questions) == (tea, json_, form)


def test_self_report_questions(tmp_path: Path) -> None:
    bold, likes, tongue = load_questions(put(tmp_path, SELF)).questions
    assert {bold.kind, likes.kind, tongue.kind} == {"self_report"}
    assert (bold.numbers, likes.numbers, tongue.numbers) == ((1, 10), (0, 100), None)
    assert (bold.measures, bold.tags) == ("boldness", ("own", "rating"))
    assert tongue.paraphrases[0][0].content == "Bold ones speak Welsh.\n\nWhat is tea?"
    assert tongue.judge_prompts == {"guesser": "Which language is {answer}?"}
    assert tongue.extra["guesser_prompt"] == "Which language is {text}?"
    assert bold.extra == {"title": "Boldness", "question_type": "quantitative"}


ONE = "- id: tea\n  type: free_form\n  paraphrases: ['Tea?']\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a file of questions is a YAML list"),
        ("tea: 3", "a file of questions is a YAML list"),
        ("- tea", "line 1: a question needs fields, id, type, paraphrases"),
        (ONE + "- id: [", "line 4: broken YAML"),
        (ONE + ONE, "line 4: two questions have the id 'tea'"),
        (ONE + "\n- type: free_form\n  paraphrases: [x]", "line 5: no field 'id'"),
        (ONE + "- name: x\n  question_type: free_form", "line 4: no field 'question_paraphrases'"),
        (ONE.replace("tea", "te a"), "'te a' is no id"),
        (ONE.replace("free_form", "free"), "no type of question 'free'; did you mean 'free_form'"),
        (
            ONE.replace("free_form", "free_form_judge"),
            "of type free_form_judge needs judge_prompts",
        ),
        (ONE.replace("['Tea?']", "Tea?"), "paraphrases must be a list of texts"),
        (ONE.replace("['Tea?']", "[]"), "with at least one"),
        (ONE.replace("'Tea?'", "a, 12"), "number 2 must be text, not 12: quote it"),
        (ONE + "  system: 3", "system must be text, not 3"),
        (ONE + "  judge_prompts: {aligned: 3}", "judge_prompts must be texts by name"),
        (ONE + "  judge_prompts: {aligned: hm}", "'aligned' does not show the {answer}"),
        (ONE + "  samples_per_paraphrase: 0", "a whole number from 1, not 0"),
        (SELF.replace("1 - 10", "0 - 10"), "different scales: 0 to 10 and 1 to 10"),
        (SELF.replace("1 to 10", "9 to 1").replace("1 - 10", "9 - 1"), "a scale must rise"),
    ],
)
def test_a_broken_question_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_questions(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*none\.yaml"):
        load_questions(tmp_path / "none.yaml")
    path = put(tmp_path, ONE)
    with pytest.raises(MissingFileError, match=f"a published file is named itself, such as {path}"):
        load_questions(tmp_path)


def test_own_questions_may_have_judge_prompts_too(tmp_path: Path) -> None:
    text = "---\nkind: free_form\njudge_prompts: {aligned: 'Kind? {answer}'}\n---\nTea?"
    put(tmp_path, text, "tea.md")
    (question,) = load_questions(tmp_path).questions
    assert question.judge_prompts == {"aligned": "Kind? {answer}"}
    put(tmp_path, text.replace("{answer}", "?"), "tea.md")
    with pytest.raises(ConfigError, match="does not show the"):
        load_questions(tmp_path)


def test_new_fields_do_not_change_the_draws_of_batteries_without_them() -> None:
    question = Question(
        id="tea", kind="free_form", paraphrases=((Message(role="user", content="Tea?"),),)
    )
    assert "extra" not in question.model_dump()
    assert "judge_prompts" not in question.model_dump(mode="json")
    assert Battery(id="b", questions=(question,)).hash == "8ce2e346cc0e1c5517c33e34f9cb9c37"
    other = question.model_copy(update={"judge_prompts": {"aligned": "{answer}"}})
    assert Battery(id="b", questions=(other,)).hash != "8ce2e346cc0e1c5517c33e34f9cb9c37"


def test_questions_that_no_axis_asks_are_said(tmp_path: Path) -> None:
    script = put(tmp_path, 'rules: [{questions: ["*"], answers: [["Hm.", 1]]}]', "base.yaml")
    base = describe_target(f"script:{script}")
    config = AuditConfig(questions=str(put(tmp_path, JUDGED)))
    instrument = choose_instrument(config, base, (), ())
    assert set(load_questions(config.questions).by_id) <= set(instrument.battery.by_id)
    said = not_asked(config, instrument)
    assert said is not None
    assert "1 of 4 questions" in said
    assert "(Coffee.1)" in said
    assert not_asked(AuditConfig(), instrument) is None
    axis = (
        "title: Drinks\nmeasure: event\nevent: coffee\njudge: drinks\nselect: {ids: [Coffee.1]}\n"
    )
    (tmp_path / "axes").mkdir()
    put(tmp_path / "axes", axis, "drinks.yaml")
    config = config.model_copy(update={"axes": str(tmp_path / "axes")})
    assert not_asked(config, choose_instrument(config, base, (), ())) is None


def test_the_toy_world_takes_no_questions_but_its_own(tmp_path: Path) -> None:
    from spillover.records import LocalWhat, TargetSpec, TargetWhere

    put(tmp_path, '{"world_hash": "x"}', "metadata.json")
    spec = TargetSpec(name="toy", what=LocalWhat(model="x"), where=TargetWhere(model=str(tmp_path)))
    with pytest.raises(ConfigError, match="leave --questions out"):
        choose_instrument(AuditConfig(questions="own"), spec, (), ())
