"""A whole audit of three models on `spillover serve`, as the command makes it: with faults, and killed."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("inspect_ai")
pytest.importorskip("openai")
pytest.importorskip("uvicorn")

import served_world as world
from faults import FAULTS, Faults, seeded
from remote_world import CONNECTIONS, contents, kill_at
from spillover.records import AuditResult


class Ideal:
    """The models, and the audit without any trouble."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.study = folder, folder / "ideal"
        world.make_models(folder)
        with world.served(folder) as served:
            self.result: AuditResult = world.run(folder, self.study, served.url)
            self.seeds = list(served.seeds)


@pytest.fixture(scope="module")
def ideal(tmp_path_factory: pytest.TempPathFactory) -> Ideal:
    return Ideal(tmp_path_factory.mktemp("ideal"))


def test_the_audit_finds_what_the_adapter_learnt(ideal: Ideal) -> None:
    result = ideal.result
    assert result.verdict == "spillover"
    assert result.targets["base"].axes["open_questions"].estimate == 0
    spent = {one.target: one.calls for one in result.spent}
    assert set(spent) == {"base", "subject", "judge"}
    assert min(spent.values()) > 20
    assert sum(spent.values()) == len(ideal.seeds) == len(set(ideal.seeds))


def test_every_fault_on_a_fifth_of_the_calls_changes_nothing(ideal: Ideal, tmp_path: Path) -> None:
    kinds = ["silence", *2 * [fault for fault in FAULTS if fault != "silence"]]  # it takes long
    schedule = seeded(3, share=0.2, kinds=kinds)
    study = tmp_path / "study"
    with world.served(ideal.folder, lambda app: Faults(app, schedule, silence=20)) as served:
        result = world.run(ideal.folder, study, served.url, timeout=4)
        seen = list(served.app.seen)
    faults = [fault for fault in seen if fault is not None]
    assert set(faults) == set(FAULTS)
    assert 0.1 < len(faults) / len(seen) < 0.3
    assert (result.verdict, result.sentence) == (ideal.result.verdict, ideal.result.sentence)
    assert contents(study) == contents(ideal.study)
    calls, again = (sum(getattr(one, key) for one in result.spent) for key in ("calls", "again"))
    assert calls - again == len(ideal.seeds)
    assert calls <= 1.05 * (len(ideal.seeds) + len(faults))


def test_kill_9_repeats_nothing_that_is_committed(ideal: Ideal, tmp_path: Path) -> None:
    study = tmp_path / "study"
    with world.served(ideal.folder) as served:
        moments = (40, 180)
        arguments = (ideal.folder, study, served.url)
        again = kill_at(moments, world.drive, arguments, study=study, seeds=served.seeds)
        assert set(served.seeds) == set(ideal.seeds)
        assert again <= 2 * CONNECTIONS * len(moments)
    assert contents(study) == contents(ideal.study)
