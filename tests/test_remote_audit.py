"""A whole audit of remote models: with faults on the way, with too small a budget, and killed."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("inspect_ai")
pytest.importorskip("openai")
pytest.importorskip("uvicorn")

import remote_world as world
from faults import FAULTS, Faults, seeded
from remote_world import CONNECTIONS, Hasty, contents
from spillover.errors import BudgetError
from spillover.models.budget import Budget
from spillover.records import AuditResult, TokenPrice

PRICES = (TokenPrice(models=("openai-api/local/*",), input=2, output=8),)


class Ideal:
    """The audit without any trouble, run once."""

    def __init__(self, folder: Path) -> None:
        self.study = folder / "ideal"
        with world.served(folder) as served:
            spender = Hasty(Budget(max_calls=10_000, prices=PRICES), connections=CONNECTIONS)
            self.result: AuditResult = world.run(self.study, served.url, spender)
            self.seeds = list(served.seeds)


@pytest.fixture(scope="module")
def ideal(tmp_path_factory: pytest.TempPathFactory) -> Ideal:
    return Ideal(tmp_path_factory.mktemp("ideal"))


def test_nothing_is_asked_twice_and_everything_is_counted(ideal: Ideal) -> None:
    assert ideal.result.verdict == "spillover"
    assert len(ideal.seeds) == len(set(ideal.seeds)) == len(contents(ideal.study)["answers"])
    spent = {one.target: one for one in ideal.result.spent}
    assert set(spent) == {"subject", "base", "judge"}
    assert sum(one.calls for one in spent.values()) == len(ideal.seeds)
    assert all(one.again == one.lost == 0 for one in spent.values())
    for one in spent.values():
        assert one.input_tokens > one.output_tokens >= one.calls  # words, of a script
        assert one.dollars == pytest.approx((one.input_tokens * 2 + one.output_tokens * 8) / 1e6)


def test_every_fault_on_a_fifth_of_the_calls_changes_nothing(ideal: Ideal, tmp_path: Path) -> None:
    kinds = ["silence", *2 * [fault for fault in FAULTS if fault != "silence"]]  # it takes long
    schedule = seeded(7, share=0.2, kinds=kinds)
    with world.served(tmp_path, lambda app: Faults(app, schedule, silence=20)) as served:
        spender = Hasty(Budget(max_calls=10_000), connections=8, more={"timeout": 4})
        result = world.run(tmp_path / "study", served.url, spender)
        seen = list(served.app.seen)
    faults = [fault for fault in seen if fault is not None]
    assert set(faults) == set(FAULTS)
    assert 0.1 < len(faults) / len(seen) < 0.3
    assert (result.verdict, result.sentence) == (ideal.result.verdict, ideal.result.sentence)
    assert contents(tmp_path / "study") == contents(ideal.study)
    calls, again, lost = (
        sum(getattr(one, key) for one in result.spent) for key in ("calls", "again", "lost")
    )
    # Every call that reached the server is counted; one that timed out may not have.
    assert len(seen) <= calls <= len(seen) + lost
    assert calls - again == len(ideal.seeds)
    assert calls <= 1.05 * (len(ideal.seeds) + len(faults))


def test_a_small_budget_stops_in_order_and_a_larger_one_goes_on(
    ideal: Ideal, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    with world.served(tmp_path) as served:
        for limit in (1, 97):
            before = len(served.seeds)
            with pytest.raises(BudgetError, match=f"{limit} of {limit} calls.* is kept"):
                world.run(study, served.url, Hasty(Budget(max_calls=limit), connections=4))
            assert len(served.seeds) - before == limit, "not one call more, and none wasted"
            assert len(contents(study)["answers"]) == len(served.seeds)
        result = world.run(study, served.url, Hasty(Budget(max_calls=10_000), connections=4))
        assert sorted(served.seeds) == sorted(ideal.seeds)
    assert result.verdict == ideal.result.verdict
    assert contents(study) == contents(ideal.study)


def test_dollars_are_a_hard_limit_too(tmp_path: Path) -> None:
    with world.served(tmp_path) as served:
        budget = Budget(max_cost=0.005, prices=PRICES)
        with pytest.raises(BudgetError, match=r"\$0\.00\d+ of \$0\.005"):
            world.run(tmp_path / "study", served.url, Hasty(budget, connections=4))
        spent = sum(one.dollars or 0 for one in budget.spent())
        assert len(served.seeds) == sum(one.calls for one in budget.spent())
        # A call is allowed only if the most that it can cost still fits.
        assert 0.004 < spent <= 0.005


def test_kill_9_repeats_nothing_that_is_committed(ideal: Ideal, tmp_path: Path) -> None:
    study = tmp_path / "study"
    with world.served(tmp_path) as served:
        moments = (3, 80, 200, 300)
        again = world.kill_at(
            moments, world.drive, (study, served.url), study=study, seeds=served.seeds
        )
        assert set(served.seeds) == set(ideal.seeds)
        assert again <= 2 * CONNECTIONS * len(moments)
    assert contents(study) == contents(ideal.study)
