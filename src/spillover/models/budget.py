"""How many calls a run may make and what they may cost: one budget for all models it asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal, NamedTuple

from spillover.errors import BudgetError, ConfigError
from spillover.records import RemoteWhat, Spent, TargetSpec, TokenPrice

Taken = Literal["taken", "wait", "spent"]
"""Whether a call may be made, or not before others are done, or not at all."""


class Tokens(NamedTuple):
    """Tokens of one call: those read, and those written."""

    input: int = 0
    output: int = 0


class Budget:
    """What a run may use, over all its models and threads. It is never exceeded.

    A call is counted before it is made, with the most tokens that it can use, and put right when
    its reply says what it did use; a reply that is lost stays counted at the most.

    Args:
        max_calls: the most calls, those made again among them.
        max_cost: the most US dollars.
        prices: of models; the first that fits counts.

    Raises:
        ConfigError: neither limit is given, or one allows nothing.
    """

    def __init__(
        self,
        *,
        max_calls: int | None = None,
        max_cost: float | None = None,
        prices: Sequence[TokenPrice] = (),
    ) -> None:
        if max_calls is None and max_cost is None:
            raise ConfigError("a budget needs max_calls or max_cost")
        if max_calls is not None and max_calls < 1:
            raise ConfigError(
                f"max_calls is {max_calls}: at least 1 call is needed to ask anything"
            )
        if max_cost is not None and not max_cost > 0:
            raise ConfigError(f"max_cost is {max_cost}: give dollars above 0")
        self.max_calls, self.max_cost = max_calls, max_cost
        self._prices = tuple(prices)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._lock = threading.Lock()
        self._calls, self._dollars = 0, 0.0
        self._under_way, self._held = 0, 0.0  # calls not settled yet, and dollars counted for them

    def price(self, model: str) -> TokenPrice | None:
        """Return the price of a model (``PROVIDER/MODEL``); None if it is not known.

        Raises:
            ConfigError: it is not known, and the budget is in dollars.
        """
        found = next((price for price in self._prices if price.fits(model)), None)
        if found is None and self.max_cost is not None:
            raise ConfigError(
                f"no price is known for {model}, so that a cost can't be limited: give --max-calls"
                " in place of --max-cost, or its price in a file (--prices FILE)"
            )
        return found

    def account(self, spec: TargetSpec) -> Account:
        """Return the account of a remote target; the same one each time.

        Raises:
            ConfigError: its price is not known, and the budget is in dollars.
        """
        assert isinstance(spec.what, RemoteWhat)  # noqa: S101  (others cost nothing)
        key = (spec.id, spec.name)
        with self._lock:
            if key not in self._accounts:
                model = spec.what.model
                self._accounts[key] = Account(self, spec.name, model, self.price(model))
            return self._accounts[key]

    def spent(self) -> tuple[Spent, ...]:
        """What each model was asked, in the order in which they were first opened."""
        with self._lock:
            return tuple(account.spent for account in self._accounts.values())

    def charge(self, dollars: float) -> None:
        """Count what was paid for something else than calls, such as a fine-tuning job."""
        with self._lock:
            self._dollars += dollars

    @property
    def calls(self) -> int:
        """Calls so far."""
        return self._calls

    def __str__(self) -> str:
        """How far it is used, in a few words."""
        found = self.spent()
        calls = (
            f"{self._calls:,}" + (f" of {self.max_calls:,}" if self.max_calls else "") + " calls"
        )
        if self.max_cost is not None:
            return f"{calls}, ${self._dollars:.4g} of ${self.max_cost:g}"
        dollars = [one.dollars for one in found if one.dollars is not None]
        return f"{calls}, ${sum(dollars):.4g}" if dollars and sum(dollars) else calls

    def error(self) -> BudgetError:
        """What to tell a user once it is spent."""
        found = self.spent()
        read, written = (
            sum(getattr(one, f"{k}_tokens") for one in found) for k in ("input", "output")
        )
        return BudgetError(
            f"the budget is spent: {self}, {read:,} tokens read and {written:,} written. What was"
            " answered is kept: the same command goes on from there, with a budget of its own"
            " (a larger --max-calls or --max-cost takes it further)"
        )

    def _take(self, account: Account, most: Tokens, again: bool) -> Taken:
        cost = account.cost(most)
        with self._lock:
            if self.max_calls is not None and self._calls >= self.max_calls:
                return "spent"
            if self.max_cost is not None and self._dollars + cost > self.max_cost:
                # Calls under way are counted at the most; they may leave room yet.
                room = self._dollars - self._held + cost <= self.max_cost
                return "wait" if self._under_way and room else "spent"
            self._calls += 1
            self._under_way += 1
            self._dollars += cost
            self._held += cost
            account.add(most, calls=1, again=int(again))
        return "taken"

    def _settle(self, account: Account, most: Tokens, used: Tokens | None) -> None:
        with self._lock:
            self._under_way -= 1
            self._held -= account.cost(most)
            if used is None:
                account.add(Tokens(), lost=1)
                return
            change = Tokens(used.input - most.input, used.output - most.output)
            self._dollars += account.cost(change)
            account.add(change)


class Account:
    """What one target uses of a budget."""

    def __init__(self, budget: Budget, name: str, model: str, price: TokenPrice | None) -> None:
        self.budget, self.price = budget, price
        self.spent = Spent(target=name, model=model, dollars=None if price is None else 0.0)

    def take(self, most: Tokens, *, again: bool = False) -> Taken:
        """Count a call before it is made; it may not be made unless this says ``taken``.

        Args:
            most: the most tokens that it can use.
            again: it asks what a failed one has asked.
        """
        return self.budget._take(self, most, again)

    def settle(self, most: Tokens, used: Tokens | None) -> None:
        """Say what a call that was counted at ``most`` did use; None: nobody knows."""
        self.budget._settle(self, most, used)

    def cost(self, tokens: Tokens) -> float:
        """Dollars; 0 where the price is not known."""
        return 0.0 if self.price is None else self.price.dollars(tokens.input, tokens.output)

    def add(self, tokens: Tokens, *, calls: int = 0, again: int = 0, lost: int = 0) -> None:
        """Count; only the budget calls this, with its lock held."""
        old = self.spent
        read, written = old.input_tokens + tokens.input, old.output_tokens + tokens.output
        self.spent = old.model_copy(
            update={
                "calls": old.calls + calls, "again": old.again + again, "lost": old.lost + lost,
                "input_tokens": read, "output_tokens": written,
                "dollars": None if self.price is None else self.price.dollars(read, written),
            }
        )  # fmt: skip
