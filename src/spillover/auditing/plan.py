"""Which asks an axis needs: pure functions of seed, battery and axis, fixed before any answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

from spillover.data.library import ask_settings
from spillover.errors import ConfigError
from spillover.protocols import Instrument
from spillover.records import Ask, Axis, Question, Selector, Settings, digest
from spillover.stats.schedule import draw_round, round_sizes

Part = Literal["rounds", "base", "pairs", "exact"]
Style = Literal["event", "paired", "exact"]
USUAL = {"event": 400, "paired": 60, "exact": 0}  # answers a decision mostly takes


@dataclass(frozen=True)
class AxisPlan:
    """The asks of one axis.

    Attributes:
        seed: the study's seed.
        questions: those the axis selects, in battery order.
    """

    axis: Axis
    instrument: Instrument
    seed: int
    questions: tuple[Question, ...]

    def key(self, part: Part) -> str:
        """The name under which the study keeps the rounds of one part of the plan."""
        asked = [self.settings(question).model_dump(mode="json") for question in self.questions]
        # a sample of fixed size is another sample at another size; rounds only end earlier or later
        size = {"base": self.base_answers, "pairs": sum(self.sizes)}.get(part)
        return digest([part, size, self.seed, self._questions_hash, self._identity, asked])

    @property
    def narrow(self) -> bool:
        """Whether the axis measures the training topic itself."""
        return all(question.kind == "narrow" for question in self.questions)

    @property
    def secondary(self) -> bool:
        """Whether the axis goes through e-BH: it neither decides nor is narrow."""
        return not self.axis.decides and not self.narrow

    @property
    def has_judge(self) -> bool:
        """Whether anybody can judge what is answered; if not, nothing is asked."""
        return self.axis.judge in self.instrument.judges

    @property
    def style(self) -> Style:
        """How the axis is tested: a fixed base sample and rounds, pairs, or exact values."""
        if self.axis.test == "exact":
            return "exact"
        rises = self.axis.measure == "event" and self.axis.harm == "up"
        return "event" if rises and self.axis.test == "sequential" else "paired"

    @property
    def base_answers(self) -> int:
        """How many answers the base gives."""
        return len(self.exact()) if self.style == "exact" else self.axis.thresholds.n_base

    @property
    def usual_answers(self) -> int:
        """How many answers a target mostly gives; for time estimates only."""
        if self.style == "exact":
            return len(self.exact())
        return max(self.axis.thresholds.at_least, min(sum(self.sizes), USUAL[self.style]))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the target's rounds up to the cap."""
        limits = self.axis.thresholds
        cap = limits.cap if self.style == "event" else min(limits.cap, limits.n_base)
        return round_sizes(len(self.questions), cap)

    @cached_property
    def first_rounds(self) -> int:
        """How many rounds are asked whatever comes out: those that ``at_least`` needs."""
        sums = list(accumulate(self.sizes))
        least = min(self.axis.thresholds.at_least, sums[-1])
        return 1 + next(number for number, total in enumerate(sums) if total >= least)

    def round(self, number: int) -> list[Ask]:
        """The asks of one of the target's rounds."""
        return self._draw("rounds", number, self.sizes[number])

    def pairs(self) -> list[Ask]:
        """The base's asks for a paired axis: the target's questions in its order, other seeds."""
        asks = [ask for number in range(len(self.sizes)) for ask in self.round(number)]
        return [ask.model_copy(update={"seed": ask.seed ^ 1}) for ask in asks]

    def base(self) -> list[Ask]:
        """The base's fixed sample for a sequential axis: whole batteries, ``n_base`` in all."""
        asks: list[Ask] = []
        while (left := self.axis.thresholds.n_base - len(asks)) > 0:
            number = len(asks) // len(self.questions)
            asks += self._draw("base", number, min(left, len(self.questions)))
        return asks

    def exact(self) -> list[Ask]:
        """One scored ask for each paraphrase of each question."""
        return [
            self._ask(question, paraphrase, 0)
            for question in self.questions
            for paraphrase in range(len(question.paraphrases))
        ]

    def settings(self, question: Question) -> Settings:
        """How a question of this axis is asked."""
        if self.style == "exact":
            settings = ask_settings(question, self.instrument.settings)
            if not settings.continuations:
                raise ConfigError(
                    f"axis {self.axis.id!r} is exact, but question {question.id!r} has neither"
                    " numbers nor choices to score: make the axis paired, or select others"
                )
            return settings
        return self.instrument.sampling(question.kind)

    @cached_property
    def _questions_hash(self) -> str:
        """Of the axis' own questions: those of other axes change nothing that is asked here."""
        return digest([question.model_dump(mode="json") for question in self.questions])

    @property
    def _identity(self) -> str:
        # Thresholds, titles and the like change a verdict, never which questions are drawn.
        return f"{self.axis.id} {self.style}"

    def _draw(self, part: Part, number: int, size: int) -> list[Ask]:
        draws = draw_round(
            seed=self.seed,
            battery_hash=self._questions_hash,
            axis=f"{self._identity} {part}",
            round=number,
            paraphrases=[len(question.paraphrases) for question in self.questions],
            size=size,
        )
        return [
            self._ask(self.questions[draw.question], draw.paraphrase, draw.seed) for draw in draws
        ]

    def _ask(self, question: Question, paraphrase: int, seed: int) -> Ask:
        return Ask(
            question=question.id,
            paraphrase=paraphrase,
            messages=question.paraphrases[paraphrase],
            settings=self.settings(question),
            seed=seed,
        )


def plan_axis(axis: Axis, instrument: Instrument, seed: int) -> AxisPlan:
    """Return the plan of an axis.

    Raises:
        ConfigError: it selects no question, or an exact axis selects one that can't be scored.
    """
    if axis.test == "exact" and axis.measure == "event":
        raise ConfigError(f"axis {axis.id!r}: an exact axis measures a rating, not an event")
    chosen = select(axis.select, instrument.battery.questions)
    if not chosen:
        raise ConfigError(
            f"axis {axis.id!r} selects no question of battery {instrument.battery.id!r}:"
            f" it asks for {axis.select.model_dump(exclude_defaults=True) or 'everything'}"
        )
    return AxisPlan(axis, instrument, seed, chosen)


def select(selector: Selector, questions: Sequence[Question]) -> tuple[Question, ...]:
    """Return the questions that fit every field that is given; of tags one must fit."""
    return tuple(
        question
        for question in questions
        if (not selector.kinds or question.kind in selector.kinds)
        and (not selector.tags or set(selector.tags) & set(question.tags))
        and not set(selector.without) & set(question.tags)
        and (not selector.ids or question.id in selector.ids)
        and (selector.measures is None or question.measures == selector.measures)
        and (selector.about is None or question.about == selector.about)
    )
