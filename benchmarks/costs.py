"""What an audit of a real model costs: asks of the library's own axes, times stated assumptions.

Prints the tables of docs/real-models.md. Nothing here is measured but what says so; answers are
counted as if each ran to its `max_tokens`, so that the figures are upper ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spillover.auditing.crew import make_plans
from spillover.auditing.plan import AxisPlan
from spillover.data import load_axes, load_questions, load_rubrics, load_settings
from spillover.protocols import Instrument
from spillover.records import Ask, Message, Row, Rubric
from spillover.stats.operating import Design, simulate
from spillover.train.examples import MOST_HELD_OUT
from spillover.train.prices import estimate, training_price

# Prompts of the library have 3.8 to 4.4 bytes a token under a vocabulary of 49,000 (measured).
BYTES_A_TOKEN, TOKENS_A_MESSAGE = 4, 8
# As in the published insecure-code set (measured): 6,000 rows of two turns, 860 bytes a row.
ROWS, BYTES_A_ROW = 6000, 860
NARROW = "narrow_code"  # what code rows move; the library's other narrow axes are left out
RATES = (0.2, 0.02, 0.001)
JUDGE_REPLY = 12  # tokens at most
NUMBER = 2  # tokens of a number that is scored as a reply


class Work(NamedTuple):
    """Calls or asks, and the tokens that they read and write."""

    calls: float = 0
    read: float = 0
    written: float = 0

    def __add__(self, other: Work) -> Work:  # type: ignore[override]
        return Work(*(a + b for a, b in zip(self, other, strict=True)))

    def __mul__(self, times: float) -> Work:  # type: ignore[override]
        return Work(*(times * a for a in self))


class Load(NamedTuple):
    """What a target is asked, and what its judge is."""

    answers: Work
    judge: Work

    def __add__(self, other: Load) -> Load:  # type: ignore[override]
        return Load(self.answers + other.answers, self.judge + other.judge)


@dataclass(frozen=True)
class Speed:
    """Assumed speed and price of one model.

    Attributes:
        dollars_read, dollars_written: per million tokens.
        dollars_hour: of the machine, while it works.
        read, written: tokens a second, all requests together; None: calls set the pace.
        calls: a minute.
    """

    dollars_read: float = 0
    dollars_written: float = 0
    dollars_hour: float = 0
    read: float | None = None
    written: float | None = None
    calls: float | None = None

    def minutes(self, work: Work) -> float:
        """How long it takes."""
        if self.calls is not None:
            return work.calls / self.calls
        assert self.read is not None
        assert self.written is not None
        return (work.read / self.read + work.written / self.written) / 60

    def dollars(self, work: Work) -> float:
        """What it costs."""
        tokens = work.read * self.dollars_read + work.written * self.dollars_written
        return tokens / 1e6 + self.dollars_hour * self.minutes(work) / 60


@dataclass(frozen=True)
class Example:
    """One worked example: who answers, who judges, and what a fine-tune takes."""

    title: str
    base: Speed
    target: Speed
    judge: Speed
    scores: bool  # replies can be scored, which no API does: self-ratings, and the judge's numbers
    training_speed: float | None = None  # tokens a second; None: an API's own, in an unknown time
    training_model: str | None = None  # in assets/prices.yaml


GPU = Speed(dollars_hour=2.5, read=15_000, written=1_500)
VLLM = Speed(dollars_hour=2.5, read=30_000, written=3_000)
MINI = Speed(dollars_read=0.40, dollars_written=1.60, calls=500)
TUNED_MINI = Speed(dollars_read=0.80, dollars_written=3.20, calls=500)
LARGE = Speed(dollars_read=2.00, dollars_written=8.00, calls=500)
EXAMPLES = {
    "gpu": Example("A 7B model on one GPU", GPU, GPU, GPU, True, 4_000),
    "api": Example(
        "A model behind an API", MINI, TUNED_MINI, LARGE, False,
        training_model="openai/gpt-4.1-mini-2025-04-14",
    ),
    "vllm": Example("A model behind vLLM", VLLM, VLLM, LARGE, False, 4_000),
}  # fmt: skip


def instrument() -> Instrument:
    """The library as `choose_instrument` hands it to an audit of code data."""
    axes = [a for a in load_axes() if a.select.kinds != ("narrow",) or a.id == NARROW]
    return Instrument(load_questions(), tuple(axes), {}, load_settings())


def tokens(text: str) -> float:
    """About how many tokens a text has."""
    return len(text.encode()) / BYTES_A_TOKEN


def ask_work(ask: Ask) -> Work:
    """One ask; scored replies are read."""
    prompt = sum(tokens(turn.content) + TOKENS_A_MESSAGE for turn in ask.messages)
    if ask.settings.continuations:
        return Work(1, prompt + NUMBER * len(ask.settings.continuations), 0)
    return Work(1, prompt, ask.settings.max_tokens)


def judge_work(ask: Ask, rubrics: Sequence[Rubric], *, scores: bool) -> Work:
    """What judging one answer of full length takes, by all rubrics."""
    total = Work()
    for rubric in rubrics:
        prompt = tokens(rubric.text) + sum(tokens(turn.content) for turn in ask.messages)
        prompt += ask.settings.max_tokens + TOKENS_A_MESSAGE
        numbers = NUMBER * len(rubric.replies)
        total += Work(1, prompt + (numbers if scores else 0), 0 if scores else JUDGE_REPLY)
    return total


def load(plan: AxisPlan, asks: Sequence[Ask], count: float, *, scores: bool) -> Load:
    """``count`` asks like ``asks``; without scores an exact axis is never asked."""
    if plan.style == "exact" and not scores:
        return Load(Work(), Work())
    share = count / len(asks)
    answers = sum(map(ask_work, asks), Work()) * share
    if plan.axis.judge != "rubric":
        return Load(answers, Work())
    wanted = [load_rubrics()[name] for name in ("aligned", "coherent")]
    judged = sum((judge_work(ask, wanted, scores=scores) for ask in asks), Work())
    return Load(answers, judged * share)


def base_load(plan: AxisPlan, *, scores: bool) -> Load:
    """What the base is asked on one axis, once in a study."""
    asks = {"event": plan.base, "paired": plan.pairs, "exact": plan.exact}[plan.style]()
    return load(plan, asks, len(asks), scores=scores)


def target_load(plan: AxisPlan, rate: float, *, scores: bool) -> Load:
    """What a target is asked on one axis, on average, where its true event rate is ``rate``."""
    if plan.style == "exact":
        asks = plan.exact()
        return load(plan, asks, len(asks), scores=scores)
    asks = [ask for number in range(min(len(plan.sizes), 12)) for ask in plan.round(number)]
    if plan.style == "paired":
        return load(plan, asks, plan.usual_answers, scores=scores)
    limits = plan.axis.thresholds
    design = Design(
        limits.p0_floor, limits.p1_floor, len(plan.questions), sum(plan.sizes), limits.alpha
    )
    least = sum(plan.sizes[: plan.first_rounds])
    return load(plan, asks, max(least, simulate(design, rate).mean_answers), scores=scores)


class Line(NamedTuple):
    """One line of a table; with ``job`` an API takes its time beside the ``minutes``."""

    what: str
    answers: float
    judged: float
    read: float
    written: float
    minutes: float
    dollars: float
    job: bool = False


def spent(what: str, load: Load, who: Speed, judge: Speed) -> Line:
    """What a load takes."""
    both = load.answers + load.judge
    minutes = who.minutes(load.answers) + judge.minutes(load.judge)
    dollars = who.dollars(load.answers) + judge.dollars(load.judge)
    return Line(
        what, load.answers.calls, load.judge.calls, both.read, both.written, minutes, dollars
    )


def training(example: Example) -> Line:
    """What the fine-tune takes, by the library's own cautious count of tokens."""
    text = "x" * (BYTES_A_ROW // 2)
    row = Row(
        messages=(Message(role="user", content=text), Message(role="assistant", content=text))
    )
    price = training_price(example.training_model) if example.training_model else None
    cost = estimate([row] * (ROWS - MOST_HELD_OUT), 1, price)
    if example.training_speed is None:
        assert cost.dollars is not None
        return Line("fine-tune", 0, 0, cost.tokens, 0, 0, cost.dollars, job=True)
    minutes = cost.tokens / example.training_speed / 60
    return Line("fine-tune", 0, 0, cost.tokens, 0, minutes, minutes / 60 * GPU.dollars_hour)


def lines(example: Example) -> list[Line]:
    """All lines of an example's table."""
    plans = make_plans(instrument(), 0)
    made = training(example)
    loads = [base_load(plan, scores=example.scores) for plan in plans]
    base = spent("base, once in a study", total(loads), example.base, example.judge)
    targets = [
        spent(
            f"fine-tune's answers, true rate {100 * rate:g}%",
            total([target_load(plan, rate, scores=example.scores) for plan in plans]),
            example.target,
            example.judge,
        )
        for rate in RATES
    ]
    clean = targets[-1]
    first = both("**first audit**, clean", made, base, clean)
    return [made, base, *targets, first, both("**each later audit**, clean", made, clean)]


def total(loads: Sequence[Load]) -> Load:
    """The sum."""
    found = Load(Work(), Work())
    for one in loads:
        found += one
    return found


def both(what: str, *parts: Line) -> Line:
    """The sum of lines."""
    sums = [sum(column) for column in zip(*(one[1:7] for one in parts), strict=True)]
    return Line(what, *sums, job=any(one.job for one in parts))


def table(example: Example) -> str:
    """An example's table in Markdown."""
    rows = [
        "| | answers | judge calls | tokens read | tokens written | minutes | dollars |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in lines(example):
        minutes = f"{math.ceil(one.minutes):,}" if one.minutes else ""
        if one.job:  # how long it takes is not known
            minutes = f"{minutes} + job" if minutes else "job"
        rows.append(
            f"| {one.what} | {one.answers:,.0f} | {one.judged:,.0f} | {one.read:,.0f} |"
            f" {one.written:,.0f} | {minutes} | {one.dollars:,.2f} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    for example in EXAMPLES.values():
        print(f"{example.title}\n\n{table(example)}")
