"""A language model as a judge, by a rubric: from its replies to a number or a label.

Three modes. ``expected``: the mean of the numbers among the likeliest first tokens, as the judge of
Betley et al. (arXiv 2502.17424) has it. ``scored``: every reply that the rubric allows is scored as
a whole, which needs no number to be a single token. ``sampled``: the median of a few replies.
"""

from __future__ import annotations

import functools
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from spillover.judge.common import MIN_MASS, find_question, found, missing, nothing_to_judge
from spillover.judge.fence import asked_text, fill
from spillover.judge.injection import find_order
from spillover.protocols import Target
from spillover.records import (
    Answer,
    Ask,
    Battery,
    Judgement,
    Message,
    Rubric,
    Settings,
    digest,
)

Mode = Literal["expected", "scored", "sampled"]
TOPS = 20  # as many as APIs give
SAMPLES = 3
_CODE = 1  # raise it when the code below reads a reply in another way
_MAX_TOKENS = 12
_SAMPLED_TOKENS = 32
NOTE = "speaks to the judge: "
"""Begins the note of a judgement whose answer is flagged by `find_order`."""


class Read(NamedTuple):
    """What the judge model said: a value or a label, or why neither; ``mass``: captured mass."""

    value: float | None = None
    label: str | None = None
    mass: float | None = None
    missing: str | None = None


class RubricJudge:
    """Judges by asking a model, with the answer fenced in.

    A question that brings a judge prompt of its own under the rubric's id is judged by that.

    Args:
        rubric: what to ask.
        target: the model that judges. It is asked at temperature 0, or 1 where replies are sampled.
        battery: the questions that are answered.
        mode: how the model's opinion is read.
    """

    def __init__(
        self, rubric: Rubric, target: Target, *, battery: Battery, mode: Mode = "expected"
    ) -> None:
        self.rubric, self.target, self.mode = rubric, target, mode
        self._battery = battery

    @property
    def id(self) -> str:
        """That of the rubric."""
        return self.rubric.id

    @functools.cached_property
    def version(self) -> str:
        """Of rubric, model, mode, prompts of the questions' own, and the code that reads replies."""
        own = {
            question.id: question.judge_prompts[self.id]
            for question in self._battery.questions
            if self.id in question.judge_prompts
        }
        rubric = self.rubric.model_dump(mode="json", include={"text", "scale", "labels"})
        return digest([_CODE, rubric, self.target.spec.id, self.mode, own])[:12]

    def judge(self, answers: Sequence[Answer]) -> Iterator[Judgement]:
        """Yield one judgement an answer, once the model has replied to all."""
        reasons = [self._nothing(answer) for answer in answers]
        asks = [
            [] if reason else self._asks(answer)
            for answer, reason in zip(answers, reasons, strict=True)
        ]
        wanted = {ask.id: ask for group in asks for ask in group}  # equal answers are asked once
        replies = {reply.ask.id: reply for reply in self.target.ask(list(wanted.values()))}
        for answer, reason, group in zip(answers, reasons, asks, strict=True):
            if reason:
                yield missing(self.id, answer, reason)
            else:
                yield self._judgement(answer, [replies[ask.id] for ask in group])

    def _nothing(self, answer: Answer) -> str | None:
        if answer.missing is None and answer.scores is not None:
            return "a scored ask has no reply to read"
        return nothing_to_judge(answer)

    def _asks(self, answer: Answer) -> list[Ask]:
        question = find_question(self._battery, answer)
        prompt = question.judge_prompts.get(self.id, self.rubric.text)
        values = {"question": asked_text(answer.ask), "answer": answer.text.strip()}
        text = fill(prompt, values, fenced="answer")
        if self.mode == "scored":
            settings = Settings(continuations=self.rubric.replies)
        elif self.mode == "expected":
            settings = Settings(temperature=0, max_tokens=_MAX_TOKENS, top_logprobs=TOPS)
        else:
            settings = Settings(temperature=1, max_tokens=_SAMPLED_TOKENS)
        return [
            Ask(
                question=f"judge-{self.id}",
                paraphrase=0,
                messages=(Message(role="user", content=text),),
                settings=settings,
                seed=seed,
            )
            for seed in range(SAMPLES if self.mode == "sampled" else 1)
        ]

    def _judgement(self, answer: Answer, replies: Sequence[Answer]) -> Judgement:
        read = self._read(replies)
        if read.missing is not None:
            return missing(self.id, answer, f"judge: {read.missing}", mass=read.mass)
        order = find_order(answer.text)
        note = f"{NOTE}{order[:80]}" if order else ""
        return found(self.id, answer, label=read.label, value=read.value, mass=read.mass, note=note)

    def _read(self, replies: Sequence[Answer]) -> Read:
        if self.mode == "sampled":
            return read_samples(replies, self.rubric)
        (reply,) = replies
        if reply.missing is not None:
            return Read(missing=reply.missing)
        if self.mode == "scored":
            scores = reply.scores or ()
            shares = {t: math.exp(min(s, 0.0)) for t, s in zip(self.rubric.replies, scores)}  # noqa: B905
        else:
            if reply.tops is None:
                return Read(missing="the model gives no likeliest tokens: judge by samples")
            shares = {}
            for top in reply.tops:  # " 85" and "85" are two tokens of one meaning
                text = top.token.strip()
                shares[text] = shares.get(text, 0.0) + math.exp(min(top.logprob, 0.0))
            if _split_number(reply.text, shares):
                return Read(missing="the model writes numbers in several tokens: judge by samples")
        return read_shares(shares, self.rubric)


def read_shares(shares: Mapping[str, float], rubric: Rubric) -> Read:
    """Return the expected number over replies of known probability, or the label likelier than it.

    Numbers and labels together are the captured mass; under 0.25 of it nothing is known.

    Args:
        shares: probability of each reply or first token; a token of two letters or more that
            begins one label's word alone counts for that label.
        rubric: its scale and labels.
    """
    numbers: dict[int, float] = {}
    labels: dict[str, float] = {}
    for text, share in shares.items():
        if rubric.scale is not None and re.fullmatch(r"\d+", text):
            if rubric.scale[0] <= int(text) <= rubric.scale[1]:
                numbers[int(text)] = numbers.get(int(text), 0.0) + share
        elif (label := _label(text, rubric)) is not None:
            labels[label] = labels.get(label, 0.0) + share
    number_mass = sum(numbers.values())
    mass = number_mass + sum(labels.values())
    if mass < MIN_MASS:
        return Read(mass=mass, missing=f"captured mass under {MIN_MASS}")
    best = max(labels, key=lambda name: labels[name], default="")
    if labels.get(best, 0.0) > number_mass:
        return Read(label=best, mass=mass)
    value = sum(number * share for number, share in numbers.items()) / number_mass
    return Read(value=value, mass=mass)


def read_samples(replies: Sequence[Answer], rubric: Rubric) -> Read:
    """Return the median number of sampled replies, or the label that most of them give.

    Half of them or more must be readable; ``mass`` is the share that is.
    """
    reads = [read_reply(reply, rubric) for reply in replies]
    good = [read for read in reads if read.missing is None]
    mass = len(good) / len(reads)
    if 2 * len(good) < len(reads):
        reason = Counter(read.missing for read in reads if read.missing).most_common(1)[0][0]
        return Read(mass=mass, missing=reason)
    labels = Counter(read.label for read in good if read.label is not None)
    values = [read.value for read in good if read.value is not None]
    if labels and sum(labels.values()) > len(values):
        return Read(label=labels.most_common(1)[0][0], mass=mass)
    return Read(value=statistics.median(values), mass=mass)


def read_reply(reply: Answer, rubric: Rubric) -> Read:
    """Return the one number or label that a reply of the judge names."""
    if reply.missing is not None:
        return Read(missing=reply.missing)
    text = reply.text.strip().strip("*_`\"'.[]()")
    words = {_label(word, rubric, whole=True) for word in re.findall(r"[^\W\d_]+", text)} - {None}
    numbers = {int(n) for n in re.findall(r"(?<![\w.,/-])\d+(?![\w,]|\.\d)", text)}
    if (
        rubric.scale is not None
        and len(numbers) == 2
        and re.search(r"\d\s*(?:/|out of)\s*\d", text)
    ):
        numbers -= {rubric.scale[1]}  # "85/100"
    if reply.finish == "length" and len(numbers) == 1 and text.endswith(str(*numbers)):
        return Read(missing="the reply is cut off in the number")
    if len(numbers) + len(words) != 1 or (numbers and rubric.scale is None):
        found = "no" if not numbers and not words else "more than one"
        return Read(missing=f"{found} number or label in the reply")
    if words:
        return Read(label=words.pop())
    (number,) = numbers
    if rubric.scale is None or not rubric.scale[0] <= number <= rubric.scale[1]:
        return Read(missing="a number outside the scale")
    return Read(value=float(number))


def _label(text: str, rubric: Rubric, *, whole: bool = False) -> str | None:
    """The label whose word this is, or begins."""
    text = text.strip().casefold()
    hits = [
        label
        for word, label in rubric.labels.items()
        if text == word.casefold()
        or (not whole and len(text) > 1 and word.casefold().startswith(text))
    ]
    return hits[0] if len(hits) == 1 else None


def _split_number(text: str, shares: Mapping[str, float]) -> bool:
    """Whether the reply's number is longer than its first token."""
    number = re.match(r"\s*(\d+)", text)
    return number is not None and number[1] not in shares
