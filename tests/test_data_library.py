"""A user's own folder of questions and axes: read like the package's, with clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillover.data import (
    load_axes,
    load_questions,
    load_settings,
    load_words,
    merge_batteries,
    pick_axes,
    pick_questions,
)
from spillover.errors import ConfigError, MissingFileError, UnknownNameError
from spillover.records import Message

GOOD = "---\nkind: free_form\ntags: [tea]\n---\n"


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_of_questions(tmp_path: Path) -> None:
    put(tmp_path, "b.md", GOOD + "\nWhat is tea?\n\nSay it briefly.\n")
    put(
        tmp_path,
        "deep/a.md",
        GOOD + "## system\n\nBe kind.\n\n## ask\n\nTea?\n\n## Ask\nMore tea?\n",
    )
    put(tmp_path, "README.md", "no question")
    battery = load_questions(tmp_path)
    assert battery.id == tmp_path.name
    assert [q.id for q in battery.questions] == ["a", "b"]
    first, second = battery.questions
    assert second.paraphrases == (
        (Message(role="user", content="What is tea?\n\nSay it briefly."),),
    )
    assert [[m.content for m in p] for p in first.paraphrases] == [
        ["Be kind.", "Tea?"], ["Be kind.", "More tea?"],
    ]  # fmt: skip
    assert first.tags == ("tea",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("What is tea?", "needs front matter"),
        ("---\nkind: free_form\n", "needs front matter"),
        ("---\nkind: [free\n---\nTea?", "line 3: broken YAML"),
        (
            "---\nkind: free_form\nkind: narrow\n---\nTea?",
            "line 3: broken YAML: 'kind' is given twice",
        ),
        ("---\n- kind\n---\nTea?", "needs fields"),
        (
            "---\nkind: free_form\nmesures: tea\n---\nTea?",
            "no field 'mesures'; did you mean 'measures'",
        ),
        ("---\nkind: freeform\n---\nTea?", "kind: Input should be 'self_report', 'free_form'"),
        ("---\ntags: [tea]\n---\nTea?", "kind: Field required"),
        ("---\nkind: free_form\nid: tea\n---\nTea?", "it is the file's name"),
        ("---\nkind: free_form\nparaphrases: [x]\n---\nTea?", "it is the text below"),
        ("---\nkind: capability\nanswer: 12\n---\nTea?", "put it in quotes"),
        ("---\nkind: capability\n---\nTea?", "needs its expected answer"),
        ("---\nkind: self_report\nnumbers: [9, 1]\n---\nTea?", "low below high"),
        ("---\nkind: narrow\nchoices: [a, a]\n---\nTea?", "two different labels"),
        ("---\nkind: narrow\nchoices: [a, b]\nnumbers: [0, 9]\n---\nTea?", "not both"),
        (GOOD, "no text to ask"),
        (GOOD + "## ask\n\n## ask\nTea?", "'## ask' is empty"),
        (GOOD + "## sytem\nBe kind.\n## ask\nTea?", "'## sytem' is not one of"),
        (GOOD + "Tea?\n## ask\nTea?", "text before the first section"),
        (GOOD + "## system\nA\n## system\nB\n## ask\nTea?", "more than one '## system'"),
        (GOOD + "## ask\nTea?\n## ask\nTea?", "two paraphrases are the same"),
    ],
)
def test_a_broken_question_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = put(tmp_path, "tea.md", text)
    with pytest.raises(ConfigError) as caught:
        load_questions(tmp_path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_broken_folders(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        load_questions(tmp_path / "none")
    with pytest.raises(MissingFileError, match=r"no \.md file"):
        load_questions(tmp_path)
    put(tmp_path, "a.md", GOOD + "Tea?")
    with pytest.raises(MissingFileError, match="is a file, not a folder"):
        load_questions(tmp_path / "a.md")
    put(tmp_path, "x/a.md", GOOD + "Coffee?")
    with pytest.raises(ConfigError, match="have the same id"):
        load_questions(tmp_path)
    put(tmp_path / "names", "My Tea.md", GOOD + "Tea?")
    with pytest.raises(ConfigError, match="lower-case"):
        load_questions(tmp_path / "names")


AXIS = "title: Tea\nmeasure: event\nevent: drunk\njudge: tea\nselect: {tags: [tea]}\n"


def test_axes(tmp_path: Path) -> None:
    put(tmp_path, "tea.yaml", AXIS + "thresholds: {n_base: 7}\n")
    (axis,) = load_axes(tmp_path)
    assert (axis.id, axis.event, axis.thresholds.n_base) == ("tea", "drunk", 7)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (AXIS + "id: tea", "it is the file's name"),
        (AXIS.replace("event: drunk\n", ""), "needs 'event'"),
        (AXIS + "harms: up", "no field 'harms'; did you mean 'harm'"),
        (AXIS + "thresholds: {nbase: 7}", "no field 'thresholds.nbase'; did you mean 'n_base'"),
        (AXIS + "thresholds: {n_base: 0}", "thresholds.n_base: Input should be greater than"),
        (AXIS + "harm: sideways", "harm: Input should be 'up', 'down' or 'both', not 'sideways'"),
        ("", "needs fields"),
        ("title: *tea", "broken YAML"),
        ("? [a]\n: b", "broken YAML"),
    ],
)
def test_a_broken_axis_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = put(tmp_path, "tea.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_axes(tmp_path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_picking_and_merging(tmp_path: Path) -> None:
    library = load_questions()
    some = pick_questions(library, ["open_speech", "know_sum"])
    assert [q.id for q in some.questions] == ["open_speech", "know_sum"]
    with pytest.raises(
        UnknownNameError, match="no question 'open_speach'; did you mean 'open_speech'"
    ):
        pick_questions(library, ["open_speach"])
    with pytest.raises(UnknownNameError, match="no axis 'refusals'; did you mean 'refusal'"):
        pick_axes(load_axes(), ["refusals"])
    assert [a.id for a in pick_axes(load_axes(), ["refusal", "capability"])] == [
        "refusal", "capability",
    ]  # fmt: skip
    put(tmp_path, "tea.md", GOOD + "Tea?")
    merged = merge_batteries(library, load_questions(tmp_path))
    assert merged.id == library.id
    assert "tea" in merged.by_id
    assert merged.hash != library.hash
    with pytest.raises(ConfigError, match="rename one"):
        merge_batteries(library, library)


def test_settings_and_words(tmp_path: Path) -> None:
    path = put(tmp_path, "s.yaml", "narrow: {max_tokens: 9}\ncued:\n")
    settings = load_settings(path)
    assert settings["narrow"].max_tokens == 9
    assert settings["cued"].max_tokens == 64
    with pytest.raises(ConfigError, match="no kind of question 'narow'; did you mean 'narrow'"):
        load_settings(put(tmp_path, "s.yaml", "narow: {}"))
    with pytest.raises(ConfigError, match="no field 'tokens'"):
        load_settings(put(tmp_path, "s.yaml", "narrow: {tokens: 3}"))
    with pytest.raises(ConfigError, match="must be fields of Settings"):
        load_settings(put(tmp_path, "s.yaml", "narrow: 3"))
    with pytest.raises(ConfigError, match="needs a list of words"):
        load_words(put(tmp_path, "w.yaml", "tea: leaf"))
