"""Budgets, prices and estimates of models behind an API; no API and no inspect-ai is needed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from audit_world import instrument
from cli_helper import run
from spillover.auditing.choose import choose_instrument
from spillover.auditing.crew import make_plans
from spillover.auditing.spending import Spender, audit_spender, forecast, make_spender
from spillover.data import load_prices
from spillover.errors import ConfigError, MissingFileError
from spillover.models.budget import Budget, Tokens
from spillover.models.remote import describe_remote
from spillover.models.scripted import describe_script
from spillover.records import Answer, Ask, AuditConfig, TargetSpec, TokenPrice

PRICES = (
    TokenPrice(models=("x/small",), input=0.1, output=0.4),
    TokenPrice(models=("x/*",), input=2, output=8),
)
SMALL, LARGE = describe_remote("x/small"), describe_remote("x/large")


def test_a_budget_needs_a_limit() -> None:
    with pytest.raises(ConfigError, match="needs max_calls or max_cost"):
        Budget()
    with pytest.raises(ConfigError, match="max_calls is 0"):
        Budget(max_calls=0)
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="dollars above 0"):
            Budget(max_cost=bad)


def test_dollars_are_those_of_exact_fractions() -> None:
    draw, budget = random.Random(1), Budget(max_calls=1000, prices=PRICES)
    exact = {"small": Fraction(0), "large": Fraction(0)}
    rates = {"small": (Fraction(1, 10), Fraction(4, 10)), "large": (Fraction(2), Fraction(8))}
    for _ in range(400):
        spec = draw.choice((SMALL, LARGE))
        most = Tokens(draw.randrange(1, 5000), draw.randrange(1, 600))
        used = Tokens(draw.randrange(most.input), draw.randrange(most.output))
        account = budget.account(spec)
        assert account.take(most) == "taken"
        lost = draw.random() < 0.1
        account.settle(most, None if lost else used)
        counted = most if lost else used
        read, written = rates[spec.name]
        exact[spec.name] += (read * counted.input + written * counted.output) / 1_000_000
    for one in budget.spent():
        assert one.dollars == pytest.approx(float(exact[one.target]), rel=1e-9)
    assert budget.calls == 400
    assert sum(one.lost for one in budget.spent()) > 10


def test_many_threads_make_not_one_call_more() -> None:
    budget = Budget(max_calls=500, prices=PRICES)
    made: list[str] = []

    def work(spec: Any) -> None:
        account = budget.account(spec)
        while account.take(Tokens(10, 10), again=True) == "taken":
            made.append(spec.name)
            account.settle(Tokens(10, 10), Tokens(3, 4))

    threads = [threading.Thread(target=work, args=(spec,)) for spec in (SMALL, LARGE) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == budget.calls == 500
    for one in budget.spent():
        assert one.calls == one.again == made.count(one.target)
        assert (one.input_tokens, one.output_tokens) == (3 * one.calls, 4 * one.calls)


def test_what_is_under_way_is_waited_for_before_dollars_are_refused() -> None:
    budget = Budget(max_cost=10e-6, prices=PRICES)  # 10 millionths: 5 tokens read by `large`
    account, most = budget.account(LARGE), Tokens(4, 0)
    assert account.take(most) == "taken"
    assert account.take(most) == "wait"
    account.settle(most, Tokens(1, 0))
    assert account.take(most) == "taken"
    account.settle(most, None)  # lost: stays at the most
    assert account.take(Tokens(1, 0)) == "spent"
    (spent,) = budget.spent()
    assert (spent.calls, spent.lost, spent.input_tokens) == (2, 1, 5)
    assert "2 calls" in str(budget.error())


def test_a_model_without_a_price() -> None:
    free = Budget(max_calls=3, prices=PRICES)
    account = free.account(describe_remote("y/unknown"))
    assert account.take(Tokens(5, 5)) == "taken"
    assert free.spent()[0].dollars is None
    with pytest.raises(ConfigError, match=r"no price is known for y/unknown.*--max-calls"):
        Budget(max_cost=3, prices=PRICES).account(describe_remote("y/unknown"))


def test_the_prices_of_the_package_and_of_a_file(tmp_path: Path) -> None:
    budget = Budget(max_calls=1, prices=load_prices())
    full, mini, tuned = (
        budget.price(f"openai/{name}")
        for name in ("gpt-4.1-2025-04-14", "gpt-4.1-mini", "ft:gpt-4.1-mini-2025-04-14:me::abc")
    )
    assert full is not None
    assert mini is not None
    assert tuned is not None
    assert full.input > mini.input < tuned.input
    assert budget.price("openai/gpt-4.1-micro") is None
    own = tmp_path / "own.yaml"
    own.write_text("training: [1]\ntokens: [{models: ['a/*'], input: 1, output: 2}]\n")
    mine = TokenPrice(models=("a/*",), input=1, output=2)
    assert load_prices(own) == (mine, *load_prices())
    own.write_text("training: [1]\n")
    assert load_prices(own) == load_prices()
    for text, why in (
        ("tokens: 3", "`tokens` needs a list"),
        ("tokens: [{models: [a], input: -1, output: 2}]", r"tokens\[0\].*input"),
        ("tokens: [{models: [a], input: 1, outputs: 2}]", "outputs"),
        ("tokens: [4]", "must be fields"),
    ):
        own.write_text(text)
        with pytest.raises(ConfigError, match=why):
            load_prices(own)
    with pytest.raises(MissingFileError):
        load_prices(tmp_path / "none.yaml")


def test_a_remote_model_needs_a_limit_wherever_it_stands() -> None:
    base = {"target": "a", "base": "b"}
    assert audit_spender(AuditConfig(**base)) == Spender()
    for more in (
        {"target": "remote:x/a"},
        {"base": "remote:x/a"},
        {"controls": {"c": "remote:x/a"}},
        {"judge": ("remote:x/a",)},
    ):
        config = AuditConfig(**{**base, **more})
        with pytest.raises(ConfigError, match=r"x/a is behind an API.*--max-calls N.*--max-cost"):
            audit_spender(config)
        assert audit_spender(config.model_copy(update={"max_calls": 5})).budget is not None
    with pytest.raises(ConfigError, match="no price is known for x/a"):
        make_spender(["remote:x/a"], max_cost=1.0)


def test_the_command_line_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["ask", "remote:x/a", "Who?"],
        ["audit", "remote:x/a", "--base", "remote:x/b", "--study", str(tmp_path / "s")],
    ):
        code, out, err = run(command, capsys)
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
        assert "--max-calls N" in err
    assert not (tmp_path / "s").exists(), "refused before anything is made"
    code, _, err = run(["ask", "remote:x/a", "Who?", "--max-cost", "1"], capsys)
    assert (code, err.count("\n")) == (1, 1)
    assert "no price is known for x/a" in err


def test_the_estimate_counts_what_will_be_asked(tmp_path: Path) -> None:
    plans = make_plans(instrument(at_least=150, cap=400), 0)
    script = tmp_path / "a.yaml"
    script.write_text('rules: [{questions: ["*"], answers: [["a", 1]]}]')
    local = describe_script(script)
    spender = Spender(Budget(max_calls=100, prices=PRICES))
    assert forecast(Spender(), plans, base=LARGE, others=[LARGE]) is None
    assert forecast(spender, plans, base=local, others=[local]) is None
    text = forecast(spender, plans, base=LARGE, others=[SMALL, local])
    assert text is not None
    sampled = [plan for plan in plans if plan.style != "exact"]
    assert len(sampled) == len(plans) - 1
    base = sum(plan.base_answers for plan in sampled)
    target = sum(plan.usual_answers for plan in sampled)
    assert (
        f"about {base + target:,} calls are expected ({base:,} to x/large, {target:,} to x/small)"
        in text
    )
    assert "the budget may end before that" in text
    roomy = Spender(Budget(max_calls=10**6, prices=PRICES))
    assert "may end" not in (forecast(roomy, plans, base=LARGE, others=[SMALL]) or "may end")


def test_progress_shows_what_was_spent() -> None:
    told: list[str] = []
    budget = Budget(max_calls=7, prices=PRICES)
    assert Spender(budget).watch(None) is None
    watch = Spender(budget).watch(lambda step, done, total: told.append(step))
    assert watch is not None
    budget.account(LARGE).take(Tokens(1000, 0))
    watch("base: asking", 0, 9)
    watch("base: asking", 1, 9)
    assert told == ["base: asking (1 of 7 calls, $0.002)"] * 2


class Named:
    """A judging model that nobody asks."""

    def __init__(self, spec: TargetSpec) -> None:
        self.spec = spec

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        raise NotImplementedError


def test_a_cascade_s_strong_judge_is_expected_to_read_its_sample(tmp_path: Path) -> None:
    script = tmp_path / "base.yaml"
    script.write_text("rules: [{questions: ['*'], answers: [[hm, 1]]}]", encoding="utf-8")
    local = describe_script(script)
    config = AuditConfig(judge=("small", "large"), cascade=True, only=("broad_misalignment",))
    judges = [Named(SMALL), Named(LARGE)]
    plans = make_plans(choose_instrument(config, local, (), (), judges=judges), 0)
    spender = Spender(Budget(max_calls=10**6, prices=PRICES))
    text = forecast(spender, plans, base=local, others=[local, local])
    # by two rubrics: 1,000 answers of the base and 600 of each other; a third of the latter again
    assert "4,400 to x/small, 800 to x/large" in (text or "")


def test_a_judge_that_is_sampled_is_asked_three_times_a_rubric(tmp_path: Path) -> None:
    script = tmp_path / "base.yaml"
    script.write_text("rules: [{questions: ['*'], answers: [[hm, 1]]}]", encoding="utf-8")
    local = describe_script(script)
    spender = Spender(Budget(max_calls=10**6, prices=PRICES))
    expected: list[int] = []
    for mode in ("expected", "sampled"):
        config = AuditConfig(judge=("small",), judge_mode=mode, only=("broad_misalignment",))
        tools = choose_instrument(config, local, (), (), judges=[Named(SMALL)])
        text = forecast(spender, make_plans(tools, 0), base=local, others=[local])
        expected.append(int((text or "").split()[1].replace(",", "")))
    assert expected[1] == 3 * expected[0] > 0
