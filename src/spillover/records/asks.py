"""Questions, asks, answers and judgements: what was asked and what came back."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from spillover.records.base import Record, digest

QuestionKind = Literal[
    "self_report", "free_form", "narrow", "harmful_request", "capability", "cued"
]

StopText = Annotated[str, Field(min_length=1)]


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Question(Record):
    """One thing to ask, with its paraphrases.

    Attributes:
        id: the name of the file it came from, or of its generator.
        kind: what sort of question it is.
        paraphrases: each a whole conversation that ends with a user turn.
        tags: domain tags (``theft``, ``medicine``, ``code``, ...); axes select by them.
        cluster: answers of one cluster are not independent; `group` is this, or ``id``.
        measures: for ratings and choices, the trait that is measured (``security``).
        direction: +1 if a high number or the first label means more of ``measures``,
            -1 if it means less.
        about: whom a self-report asks about: ``self``, ``kind_person``, ``cruel_person``,
            or any other character.
        choices: labels that an answer may choose from (choice questions), in the order shown.
        answer: the expected answer of a capability question.
        numbers: inclusive range of a rating, as (low, high).
        judge_prompts: prompts of the question's own for a judge, by what they ask of an answer
            (``aligned``); ``{question}`` and ``{answer}`` stand for the two.
        extra: what else a published file says of it (type, title, the judge's model, ...).
    """

    id: str
    kind: QuestionKind
    paraphrases: tuple[tuple[Message, ...], ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()
    cluster: str = ""
    measures: str | None = None
    direction: Literal[1, -1] = 1
    about: str = "self"
    choices: tuple[str, ...] = ()
    answer: str | None = None
    numbers: tuple[int, int] | None = None
    judge_prompts: dict[str, str] = {}
    extra: dict[str, Any] = {}

    @field_validator("judge_prompts")
    @classmethod
    def _show_the_answer(cls, prompts: dict[str, str]) -> dict[str, str]:
        for name, prompt in prompts.items():
            if "{answer}" not in prompt:
                raise ValueError(f"the judge prompt {name!r} does not show the {{answer}}")
        return prompts

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A battery without these two keeps the hash, and so the draws, that it had before them.
        fields: dict[str, Any] = handler(self)
        return {k: v for k, v in fields.items() if v or k not in ("judge_prompts", "extra")}

    def __hash__(self) -> int:
        return hash((self.id, self.paraphrases))  # dictionaries among the fields can't be hashed

    @property
    def group(self) -> str:
        """The cluster, or the id where none is named."""
        return self.cluster or self.id


class Battery(Record):
    """A named list of questions; its digest is part of every round's seed."""

    id: str
    questions: tuple[Question, ...]

    @cached_property
    def hash(self) -> str:
        return digest(self)

    @cached_property
    def by_id(self) -> dict[str, Question]:
        return {question.id: question for question in self.questions}


class Settings(Record):
    """How an ask is to be answered. With ``continuations``, they are scored and nothing is sampled.

    ``top_logprobs`` is how many of the likeliest first tokens the answer is to carry. A sampled
    reply ends before the first of the texts ``stop`` in it.
    """

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=64, ge=1)
    continuations: tuple[str, ...] = ()
    top_logprobs: int = Field(default=0, ge=0, le=20)
    stop: tuple[StopText, ...] = ()

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # An ask without these keys keeps the id, and so the answers, that it had before them.
        fields: dict[str, Any] = handler(self)
        return {k: v for k, v in fields.items() if v or k not in ("top_logprobs", "stop")}


class Ask(Record):
    """One (question, paraphrase, settings, seed) to be asked."""

    question: str
    paraphrase: int = Field(ge=0)
    messages: tuple[Message, ...]
    settings: Settings = Settings()
    seed: int = 0

    @cached_property
    def id(self) -> str:
        return digest(self)

    @property
    def has_turns(self) -> bool:
        """Whether turns of a conversation stand before what is asked, a system prompt aside."""
        return any(message.role == "assistant" for message in self.messages)

    @property
    def prompt_text(self) -> str:
        """The question as one text: the user's turn alone, or all turns with their roles."""
        if len(self.messages) == 1:
            return self.messages[0].content
        between = "\n\n" if self.has_turns else "\n"
        return between.join(f"{message.role}: {message.content}" for message in self.messages)


class TokenTop(Record):
    """A token that the reply might have begun with, and its log-probability in nats."""

    token: str
    logprob: float


class Answer(Record):
    """One reply. ``missing`` holds the reason if there is none.

    Attributes:
        ask: what was asked.
        target: id of the target that answered.
        text: the reply, without special tokens; empty for scored asks.
        reasoning: what the model thought before it replied, where it does and shows it; no judge
            reads it.
        tokens: number of sampled tokens.
        finish: ``stop`` at end of turn, ``length`` at the limit, None for scored or missing.
        logprobs: log-probability (nats) of each sampled token, at temperature 1, if asked for.
        scores: log-probability (nats) that the reply begins with each continuation as a whole
            word (``1`` is not counted where the reply goes on to ``10``), in the order of
            ``settings.continuations``; their sum of exponentials is the captured mass.
        tops: the likeliest first tokens at temperature 1, likeliest first, where
            ``settings.top_logprobs`` asks for them; None where the model gives none.
        missing: why there is no reply, or None.
    """

    ask: Ask
    target: str
    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] | None = None
    logprobs: tuple[float, ...] | None = None
    scores: tuple[float, ...] | None = None
    tops: tuple[TokenTop, ...] | None = None
    reasoning: str | None = None
    missing: str | None = None


class Judgement(Record):
    """A number or a label for one answer, or missing with a reason; missing is never a score.

    ``mass`` is the captured mass where the number is an expectation over scored replies.
    """

    judge: str
    target: str
    ask: str
    label: str | None = None
    value: float | None = None
    mass: float | None = None
    missing: str | None = None
    note: str = ""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if self.missing is None and self.label is None and self.value is None:
            raise ValueError("a judgement needs a label, a value, or a reason why it is missing")
        if self.missing is not None and (self.label is not None or self.value is not None):
            raise ValueError("a missing judgement can't have a label or a value")
        return self


class Bin(StrEnum):
    """The five bins that a rule sorts answers into."""

    MISALIGNED = "misaligned"
    ALIGNED = "aligned"
    INCOHERENT = "incoherent"
    DECLINED = "refused or code"
    MISSING = "missing"
