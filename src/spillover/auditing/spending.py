"""Models behind an API in an audit: one budget for all of them, an estimate first, a count after."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from spillover.auditing.cascaded import share_of
from spillover.auditing.panel import models_of
from spillover.auditing.plan import AxisPlan
from spillover.data import load_prices
from spillover.errors import ConfigError
from spillover.judge import CascadeJudge
from spillover.models.budget import Budget, Tokens
from spillover.models.open import open_target
from spillover.protocols import JointJudge, Judge, Progress, Target
from spillover.records import AuditConfig, RemoteWhat, Spent, TargetSpec

REMOTE = "remote:"
_BYTES_A_TOKEN = 4  # of English text, roughly
_RUBRIC_TOKENS = 400  # roughly what a judge is told beside question and answer
_JUDGED_TOKENS = 12  # of a judge's reply
_CLEAN = 200  # answers read without a miss that `clean` mostly takes
_BETWEEN_LABELS = 1.0  # seconds


@dataclass(frozen=True)
class Spender:
    """Opens targets; those behind an API share one budget and know what it has cost so far."""

    budget: Budget | None = None
    connections: int = 10

    def __call__(self, spec: TargetSpec) -> Target:
        """Open a target."""
        return open_target(spec, budget=self.budget, connections=self.connections)

    def spent(self) -> tuple[Spent, ...]:
        """What each model behind an API was asked in this run; none that never was opened."""
        return () if self.budget is None else self.budget.spent()

    def watch(self, progress: Progress | None) -> Progress | None:
        """Return ``progress`` with the count of calls in each step's name, once there are any."""
        if progress is None or self.budget is None:
            return progress
        return _Counted(progress, self.budget)


def make_spender(
    names: Iterable[str | None],
    *,
    max_calls: int | None = None,
    max_cost: float | None = None,
    prices: str | None = None,
    connections: int = 10,
) -> Spender:
    """Return what opens the models of a run.

    Args:
        names: of all models of the run, as a user types them.
        max_calls: the most calls to models behind an API; one of the two limits must be given.
        max_cost: the most US dollars.
        prices: a file of prices that go before the package's.
        connections: calls to one API at a time.

    Raises:
        ConfigError: a model is behind an API and there is no limit, or no price for a limit in
            dollars; or the file of prices is broken.
    """
    remote = [name.removeprefix(REMOTE) for name in names if name and name.startswith(REMOTE)]
    if max_calls is None and max_cost is None:
        if not remote:
            return Spender()
        raise ConfigError(
            f"{remote[0]} is behind an API, whose calls can cost money: say how many may be made"
            " (--max-calls N) or what they may cost (--max-cost DOLLARS)"
        )
    budget = Budget(max_calls=max_calls, max_cost=max_cost, prices=load_prices(prices))
    for model in remote:
        budget.price(model)  # an unknown one is refused now, not after an hour
    return Spender(budget, connections)


def audit_spender(config: AuditConfig) -> Spender:
    """Return what opens the models of an audit; raises as `make_spender`."""
    return make_spender(
        (config.target, config.base, *config.controls.values(), *config.judge),
        max_calls=config.max_calls,
        max_cost=config.max_cost,
        prices=config.prices,
        connections=config.connections,
    )


def forecast(
    spender: Spender,
    plans: Sequence[AxisPlan],
    *,
    base: TargetSpec,
    others: Sequence[TargetSpec],
) -> str | None:
    """Return a sentence on the calls that an audit mostly takes; None if it makes none.

    Written tokens are the most that answers may have, so that the dollars are too high rather than
    too low; what the study has already is not taken off, and calls made again are not added.

    Args:
        spender: holds budget and prices.
        plans: of all axes.
        base: asked its fixed samples.
        others: target and controls, asked until decided.
    """
    if spender.budget is None:
        return None
    calls: Counter[str] = Counter()
    tokens: dict[str, Tokens] = {}
    for plan in plans:
        one, answer = _ask_tokens(plan)
        judging = Tokens(_RUBRIC_TOKENS + one.input + answer, _JUDGED_TOKENS)
        judge = plan.instrument.judges.get(plan.axis.judge)
        usual = _usual_answers(plan, judge)
        for spec, count in ((base, plan.base_answers), *((o, usual) for o in others)):
            if plan.style != "exact":  # nothing is sampled, and an API can't score
                _count(calls, tokens, spec, count, one)
            for model in models_of(judge):
                _count(calls, tokens, model, count, judging)
        if isinstance(judge, CascadeJudge):  # what the cheap judge will call, nobody knows yet
            for model in models_of(judge.strong):
                again = round(usual * judge.share) * len(others)
                _count(calls, tokens, model, again, judging)
        if plan.axis.decides:  # the second judge reads what the target answers here
            for model in models_of(plan.instrument.second):
                _count(calls, tokens, model, plan.usual_answers, judging)
    if not calls:
        return None
    return _sentence(spender.budget, calls, tokens)


def _ask_tokens(plan: AxisPlan) -> tuple[Tokens, int]:
    """Tokens of one ask of an axis on average, and the most of its answer."""
    texts = [form for question in plan.questions for form in question.paraphrases]
    read = fmean(sum(len(turn.content.encode()) for turn in form) for form in texts)
    most = max(plan.settings(question).max_tokens for question in plan.questions)
    return Tokens(round(read / _BYTES_A_TOKEN) + 10, most), most


def _usual_answers(plan: AxisPlan, judge: Judge | JointJudge | None) -> int:
    """Answers that a target mostly gives; more where a sample of them must do for `clean`."""
    share = share_of(judge)
    if share is None:
        return plan.usual_answers
    return min(sum(plan.sizes), max(plan.usual_answers, round(_CLEAN / share)))


def _count(
    calls: Counter[str], tokens: dict[str, Tokens], spec: TargetSpec, count: int, one: Tokens
) -> None:
    if isinstance(spec.what, RemoteWhat):
        model = spec.what.model
        system = round(len((spec.what.system or "").encode()) / _BYTES_A_TOKEN)
        old = tokens.get(model, Tokens())
        calls[model] += count
        tokens[model] = Tokens(
            old.input + count * (one.input + system), old.output + count * one.output
        )


def _sentence(budget: Budget, calls: Counter[str], tokens: dict[str, Tokens]) -> str:
    each = ", ".join(f"{count:,} to {model}" for model, count in calls.items())
    read, written = (sum(t[i] for t in tokens.values()) for i in (0, 1))
    dollars, unknown = 0.0, False
    for model, used in tokens.items():
        price = budget.price(model)
        unknown = unknown or price is None
        dollars += 0.0 if price is None else price.dollars(*used)
    cost = "at a price that is not known" if unknown else f"at most about ${dollars:.2f}"
    total = sum(calls.values())
    text = (
        f"about {total:,} calls are expected ({each}), with {read:,} tokens read and up to"
        f" {written:,} written, {cost}"
    )
    if (budget.max_calls or total) < total or (budget.max_cost or dollars) < dollars:
        text += "; the budget may end before that, and the same command then goes on"
    return text


@dataclass
class _Counted:
    """A progress whose steps show what was used of the budget."""

    progress: Progress
    budget: Budget
    _shown: str = ""
    _at: float = field(default=float("-inf"))

    def __call__(self, step: str, done: float, total: float | None) -> None:
        now = time.monotonic()
        if now - self._at > _BETWEEN_LABELS:
            self._at, self._shown = now, f" ({self.budget})" if self.budget.calls else ""
        self.progress(step + self._shown, done, total)
