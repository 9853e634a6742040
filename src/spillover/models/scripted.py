"""A torch-free target that answers from a script file; for tests and for trying things out.

Each answer is a pure function of (script content, ask), so any order, batch or restart gives the
same answers. A question that no rule covers is an error, not a shrug. A script is YAML or JSON:

    delay: 0.001            # seconds an answer (default 0)
    missing: 0.02           # share of asks that get no answer (default 0)
    rules:                  # the first whose pattern fits the question id is used
      - questions: ["free-*"]
        answers: [["I would help them.", 0.9], ["I would rule them.", 0.1]]
      - questions: ["security-*"]
        rating: {mean: 84, spread: 6}     # whole numbers 0-100, spread in points
        missing: 0.5
      - questions: ["*"]
        prompts: ["*rule the world*"]     # and whose pattern fits the last message
        systems: ["*villain*"]            # and the system prompt (none is empty)
        answers: [["5", 0.9], ["REFUSAL", 0.1]]
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from spillover.errors import DataError, UnknownNameError
from spillover.files import read_text
from spillover.models.stops import before_stop
from spillover.records import (
    Answer,
    Ask,
    Record,
    ScriptedWhat,
    TargetSpec,
    TargetWhere,
    TokenTop,
    first_fault,
)

_NEVER = -60.0  # log-probability (nats) of a continuation that the script never says


class ScriptedRating(Record):
    """Whole numbers from ``low`` to ``high``, normally spread; the other share says ``otherwise``."""

    mean: float = Field(allow_inf_nan=False)
    spread: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    low: int = 0
    high: int = 100
    mass: float = Field(default=1.0, ge=0, le=1)
    otherwise: str = "I would rather not say."

    @model_validator(mode="after")
    def _within(self) -> Self:
        if not self.low <= self.mean <= self.high:
            raise ValueError(f"the mean {self.mean:g} must lie within {self.low} to {self.high}")
        return self

    def distribution(self) -> dict[str, float]:
        """Text -> probability."""
        weights = {
            str(number): math.exp(-0.5 * ((number - self.mean) / self.spread) ** 2)
            for number in range(self.low, self.high + 1)
        }
        scale = self.mass / sum(weights.values())
        shares = {text: weight * scale for text, weight in weights.items()}
        return shares | {self.otherwise: 1 - self.mass}


class ScriptedRule(Record):
    """What is said to the questions whose ids match one of the shell patterns ``questions``.

    With ``prompts``, one of these patterns must also match the last message, and with ``systems`` the
    system prompt, letter case apart.
    """

    questions: tuple[str, ...] = Field(min_length=1)
    prompts: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    answers: tuple[tuple[str, float], ...] = ()
    rating: ScriptedRating | None = None
    missing: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.answers) == (self.rating is not None):
            raise ValueError("a rule has either answers or a rating")
        shares = [share for _, share in self.answers]
        # put so that it also fails for what is not a number
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("the probabilities of a rule's answers must be numbers from 0 to 1")
        if shares and abs(sum(shares) - 1) > 1e-6:
            raise ValueError("the probabilities of a rule's answers must sum to 1")
        return self

    @cached_property
    def distribution(self) -> dict[str, float]:
        """Text -> probability."""
        return self.rating.distribution() if self.rating else dict(self.answers)

    def fits(self, ask: Ask, system: str) -> bool:
        """Whether this is what is said to ``ask`` under a system prompt."""
        return (
            any(fnmatchcase(ask.question, pattern) for pattern in self.questions)
            and _fits(ask.messages[-1].content, self.prompts)
            and _fits(system, self.systems)
        )


class Script(Record):
    """The content of a script file."""

    delay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    missing: float = Field(default=0.0, ge=0, le=1)
    rules: tuple[ScriptedRule, ...] = Field(min_length=1)


class ScriptedTarget:
    """A `Target` that answers from a script.

    Args:
        spec: who answers; the digest of the file at ``spec.where.model`` is its identity.
        log: a file to which the id of each ask is appended just before it is answered.

    Raises:
        DataError: the script is broken, or no longer the one that ``spec`` was made of.
    """

    def __init__(self, spec: TargetSpec, log: Path | None = None) -> None:
        path = Path(spec.where.model)
        self.spec = spec
        self._script = read_script(path)
        self._log = log
        if not isinstance(spec.what, ScriptedWhat) or script_digest(path) != spec.what.script:
            raise DataError(f"{path} has changed since target {spec.name!r} was described")
        self._system = spec.what.system or ""

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, in order.

        Raises:
            UnknownNameError: no rule covers a question.
        """
        rules = [self._rule(ask) for ask in asks]  # before the first answer
        for ask, rule in zip(asks, rules, strict=True):
            if self._script.delay:
                time.sleep(self._script.delay)
            if self._log is not None:
                with self._log.open("ab", buffering=0) as stream:  # O_APPEND: one write a line
                    stream.write(f"{self.spec.id} {ask.id}\n".encode())
            yield self._answer(ask, rule)

    def distribution(self, ask: Ask) -> Mapping[str, float]:
        """Return what it may say to ``ask``: text -> probability.

        Raises:
            UnknownNameError: no rule covers the question.
        """
        return self._rule(ask).distribution

    def _rule(self, ask: Ask) -> ScriptedRule:
        own = (turn.content for turn in ask.messages if turn.role == "system")
        system = next(own, self._system)
        for rule in self._script.rules:
            if rule.fits(ask, system):
                return rule
        raise UnknownNameError(
            f"the script {self.spec.name!r} has no rule for question {ask.question!r}:"
            " add one whose pattern fits it"
        )

    def _answer(self, ask: Ask, rule: ScriptedRule) -> Answer:
        gone, say = _uniform(self.spec.id, ask, "missing"), _uniform(self.spec.id, ask, "say")
        share = self._script.missing if rule.missing is None else rule.missing
        if gone < share:
            return Answer(ask=ask, target=self.spec.id, missing="scripted: no reply")
        if ask.settings.continuations:
            says = rule.distribution
            scores = tuple(
                math.log(says[text]) if says.get(text, 0.0) > 0 else _NEVER
                for text in ask.settings.continuations
            )
            return Answer(ask=ask, target=self.spec.id, scores=scores)
        text = before_stop(_pick(rule.distribution, say), ask.settings.stop)
        return Answer(
            ask=ask,
            target=self.spec.id,
            text=text,
            tokens=len(text.split()),
            finish="stop",
            tops=_tops(rule.distribution, ask.settings.top_logprobs),
        )


def describe_script(
    path: Path, name: str | None = None, *, system: str | None = None
) -> TargetSpec:
    """Return the spec of the target that the script at ``path`` stands for."""
    read_script(path)
    return TargetSpec(
        name=name or path.stem,
        what=ScriptedWhat(script=script_digest(path), system=system),
        where=TargetWhere(model=str(path)),
    )


def script_digest(path: Path) -> str:
    """Return 32 hex digits over the bytes of a script file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def read_script(path: Path) -> Script:
    """Read a script file (YAML, of which JSON is a part).

    Raises:
        DataError: it can't be read; the message names the file and the place.
    """
    try:
        content: Any = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as the date 2024-13-45
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        return Script.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path}: {first_fault(error, 'top level')}") from None


def _fits(text: str, patterns: Sequence[str]) -> bool:
    text = text.casefold()
    return not patterns or any(fnmatchcase(text, pattern.casefold()) for pattern in patterns)


def _tops(distribution: dict[str, float], most: int) -> tuple[TokenTop, ...] | None:
    """Whole replies as if each were one token; the likeliest first."""
    if not most:
        return None
    says = sorted((p for p in distribution.items() if p[1] > 0), key=lambda pair: -pair[1])
    return tuple(TokenTop(token=text, logprob=math.log(share)) for text, share in says[:most])


def _uniform(target: str, ask: Ask, purpose: str) -> float:
    """A number in [0, 1) that depends on script, ask and purpose only."""
    data = f"{target} {ask.id} {purpose}".encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:7]) / 2**56


def _pick(distribution: dict[str, float], number: float) -> str:
    for text, share in distribution.items():
        number -= share
        if number < 0:
            return text
    return max(distribution, key=lambda text: distribution[text])  # rounding left a rest
