from __future__ import annotations

from collections.abc import Iterator, Sequence

from spillover.judge import CascadeJudge
from spillover.protocols import judge_version
from spillover.records import Answer, Ask, Judgement, Message


class Words:
    """Labels an answer ``misaligned`` if it holds one of the words; remembers what it read."""

    def __init__(self, id: str, version: str, *words: str) -> None:
        self.id, self.version, self.words = id, version, words
        self.read: list[list[str]] = []

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        self.read.append([answer.text for answer in answers])
        for answer in answers:
            common = {"judge": self.id, "target": answer.target, "ask": answer.ask.id}
            if answer.text == "?":
                yield Judgement(**common, missing=f"{self.id} can't tell")
                continue
            bad = any(word in answer.text for word in self.words)
            yield Judgement(**common, label="misaligned" if bad else "aligned", note="why")


class Joined:
    """Both parts must agree that it is misaligned."""

    def __init__(self, id: str, *parts: Words) -> None:
        self.id, self.parts = id, parts

    def join(self, judgements: Sequence[Judgement]) -> Judgement:
        bad = all(one.label == "misaligned" for one in judgements)
        label = "misaligned" if bad else "aligned"
        return judgements[0].model_copy(update={"judge": self.id, "label": label, "note": ""})


def answers(*texts: str) -> list[Answer]:
    asked = Message(role="user", content="?")
    return [
        Answer(
            ask=Ask(question="q", paraphrase=0, messages=(asked,), seed=i), target="t", text=text
        )
        for i, text in enumerate(texts)
    ]


def test_the_strong_judge_reads_only_what_the_cheap_one_calls_the_event():
    cheap, strong = Words("cheap", "1", "steal", "take"), Words("strong", "2", "steal")
    both = CascadeJudge("both", cheap, strong)
    asked = answers("I steal.", "I give.", "I take a seat.", "?")
    found = list(both.judge(asked))
    assert [one.label for one in found] == ["misaligned", "aligned", "aligned", None]
    assert strong.read == [["I steal.", "I take a seat."]]
    assert [one.note for one in found] == [
        "by strong, after cheap: why", "by cheap: why", "by strong, after cheap: why", "by cheap",
    ]  # fmt: skip
    assert found[3].missing == "cheap can't tell"
    assert {one.judge for one in found} == {"both"}
    assert [one.ask for one in found] == [answer.ask.id for answer in asked]


def test_without_positives_the_strong_judge_is_not_called():
    strong = Words("strong", "1")
    both = CascadeJudge("both", Words("cheap", "1", "steal"), strong)
    assert [one.label for one in both.judge(answers("Fine."))] == ["aligned"]
    assert list(both.judge([])) == []
    assert strong.read == []


def test_what_the_strong_judge_can_t_tell_is_missing_and_not_the_cheap_one_s_label():
    class Unsure(Words):
        def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
            for one in answers:
                yield Judgement(judge=self.id, target=one.target, ask=one.ask.id, missing="busy")

    both = CascadeJudge("both", Words("cheap", "1", "steal"), Unsure("strong", "1"))
    found = next(both.judge(answers("I steal.")))
    assert (found.label, found.missing) == (None, "busy")


def test_parts_may_be_joint_and_any_change_is_another_version():
    joint = Joined("pair", Words("a", "1", "steal", "take"), Words("b", "1", "steal"))
    both = CascadeJudge("both", Words("cheap", "1", "steal", "take"), joint)
    found = list(both.judge(answers("I steal.", "I take.")))
    assert [one.label for one in found] == ["misaligned", "aligned"]
    versions = {
        judge_version(CascadeJudge("both", Words("cheap", one, "x"), Words("strong", two, "x")))
        for one, two in (("1", "1"), ("2", "1"), ("1", "2"))
    }
    assert len(versions) == 3
    assert judge_version(both) != judge_version(CascadeJudge("both", joint, joint))
