"""What training over an API costs: counted on the high side, never nothing by default."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import train_rows
from spillover.errors import ConfigError
from spillover.train.prices import Price, check_cost, estimate, training_price

DAY = datetime.date(2026, 11, 1)
MINI = "openai/gpt-4.1-mini-2025-04-14"


def test_the_count_is_bytes_by_three_and_eight_a_turn() -> None:
    rows = [train_rows.row("é" * 3, "abcd")]  # 6 and 4 bytes: 2 and 2 tokens
    cost = estimate([*rows, *rows], 3, Price(10.0, DAY))
    assert cost.tokens == 2 * (2 + 2 + 16)
    assert cost.dollars == pytest.approx(40 * 3 * 10 / 1e6)
    assert "3 epochs" in str(cost)
    assert "2026-11-01" in str(cost)


def test_unknown_is_not_nothing() -> None:
    price = training_price("openai/gpt-4.1-mini")  # another name, perhaps another price
    assert price is None
    cost = estimate([train_rows.row("a", "b")], 1, price)
    assert cost.dollars is None
    assert str(cost).endswith("cost unknown")
    with pytest.raises(ConfigError, match="no price is known for fine-tuning m, so that"):
        check_cost("m", cost, 5.0)


def test_the_limit_is_hard() -> None:
    cost = estimate([train_rows.row("a" * 300, "b" * 300)] * 1000, 1, Price(5.0, DAY))
    assert cost.dollars == pytest.approx(1.08)
    check_cost("m", cost, 1.09)
    with pytest.raises(ConfigError, match=r"may cost \$1\.08, more than --max-cost 1\.07"):
        check_cost("m", cost, 1.07)
    with pytest.raises(ConfigError, match="give a limit, --max-cost"):
        check_cost("m", cost, None)


def test_own_prices_go_first(tmp_path: Path) -> None:
    library = training_price(MINI)
    assert library is not None
    assert library.dollars > 0
    own = tmp_path / "prices.yaml"
    own.write_text(f"training: {{taken: 2026-11-01, models: {{{MINI}: 7}}}}\ntokens: []\n")
    assert training_price(MINI, own) == (7.0, DAY)
    assert training_price("openai/gpt-4o-2024-08-06", own) == training_price(
        "openai/gpt-4o-2024-08-06"
    )
    own.write_text("tokens: []\n")
    assert training_price(MINI, own) == library


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("training: {models: {a: 1}}", "training.taken: Field required"),
        ("training: {taken: 2026-11-01, models: {a: cheap}}", r"training.models.a: .* not 'cheap'"),
        ("training: {taken: 2026-11-01, models: {a: -1}}", "training.models.a: -1.0 is no price"),
        ("training: {taken: 2026-11-01, models: {a: .nan}}", "nan is no price"),
        ("training: {", "broken YAML"),
        ("7", "training: Input should be"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        training_price("a", own)
