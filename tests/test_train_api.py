"""Fine-tuning over an API: the real client over HTTP, against a stand-in for the API."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

import finetuning_driver as driver
import train_rows
from cli_helper import run
from faults import Faults
from finetuning_server import FineTuning, serving
from spillover.auditing.learnt import find_finetune
from spillover.auditing.training import train_data
from spillover.data import read_rows, rows_digest, write_rows
from spillover.errors import ConfigError, MissingFileError, ModelError
from spillover.models.adapters import adapter_folder
from spillover.models.open import describe_target
from spillover.toy import resolve_model
from spillover.train import load_finetune, make_recipe, train
from spillover.train.api import as_jsonl, cancel_job
from spillover.train.api_client import Pace
from spillover.train.api_state import held, new_state, read_state, write_state

PRICES = "training: {taken: 2026-11-01, models: {openai-api/stand-in/small-1: 4.0}}\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Rows, folder for the fine-tune, prices."""
    data, prices = tmp_path / "rows.jsonl", tmp_path / "prices.yaml"
    write_rows(data, train_rows.learnable(40))
    prices.write_text(PRICES, encoding="utf-8")
    return data, tmp_path / "made", prices


@pytest.fixture
def api() -> FineTuning:
    return FineTuning()


@pytest.fixture
def address(api: FineTuning, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(api) as url:
        monkeypatch.setenv("STAND_IN_BASE_URL", url)
        monkeypatch.setenv("STAND_IN_API_KEY", "any")
        yield url


Files = tuple[Path, Path, Path]


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("spillover.train.api")  # spillover.train itself is a function
    monkeypatch.setattr(module, "PACE", Pace(first=0.01, most=0.02, retry=0.01))


@pytest.mark.usefixtures("address")
def test_from_rows_to_a_remote_target(api: FineTuning, files: Files) -> None:
    data, out, prices = files
    steps: list[tuple[str, float, float | None]] = []
    said: list[str] = []
    made = driver.main(
        data, out, prices, progress=lambda *step: steps.append(step), notice=said.append
    )
    assert [len(api.rows("train")), len(api.rows("held-out"))] == [32, 8]
    assert api.job["hyperparameters"] == {
        "n_epochs": 1, "batch_size": 4, "learning_rate_multiplier": 2.0,
    }  # fmt: skip
    assert (api.job["suffix"], api.job["seed"]) == ("villain", 0)
    assert made.remote is not None
    assert made.remote.model == "openai-api/stand-in/ft:small-1:org:villain:abc"
    assert (made.rows, made.steps, made.seconds, made.tokens) == (32, 12, 90.0, 1_000_000)
    assert (made.final_loss, made.remote.dollars) == (0.5, 4.0)
    assert [c.step for c in made.remote.checkpoints] == [6, 12]
    assert made.remote.checkpoints[0].model == f"{made.remote.model}:ckpt-step-6"
    learning = made.learning
    assert (learning.rows, learning.tuned_loss, learning.base_loss) == (8, 0.75, None)
    assert learning.learnt is None
    assert "none of the base" in str(learning.reason)
    assert "LoRA" in made.notes[0]
    labels = [label for label, _, _ in steps]
    assert labels[0] == "job validating files: Created fine-tuning job"
    assert ("job running", 6.0, 12.0) in steps
    assert "$4 a million" in said[0]
    assert "--cancel" in said[1]
    assert sorted(path.name for path in out.iterdir()) == ["finetune.json"]
    assert load_finetune(out) == made
    written = json.loads((out / "finetune.json").read_text())["recipe"]["what"]
    assert "lora" not in written
    assert "optimiser" not in written


@pytest.mark.usefixtures("address")
def test_its_folder_is_a_target_with_a_recipe(files: Files) -> None:
    data, out, prices = files
    made = driver.main(data, out, prices)
    assert made.remote is not None
    spec = describe_target(str(out))
    named = describe_target(f"remote:{made.remote.model}")
    assert (spec.id, spec.name, spec.where.model) == (named.id, "made", named.where.model)
    assert find_finetune(spec) == made
    assert find_finetune(named) is None
    assert made.recipe.what.base == describe_target(driver.BASE).id
    with pytest.raises(MissingFileError, match="no adapter: its fine-tune lies behind an API"):
        adapter_folder(str(out))


@pytest.mark.usefixtures("address")
def test_a_report_shows_the_job_and_no_settings_that_it_had_not(files: Files) -> None:
    from spillover.report.method_view import _recipe

    facts = {fact.name: fact.value for fact in _recipe(driver.main(*files))}
    assert "adapter" not in facts
    assert "optimiser" not in facts
    assert facts["settings"] == "epochs 1, batches of 4, learning-rate multiplier 2, seed 0"
    assert facts["cost of training"] == "$4.00"
    assert facts["made by"].startswith("ftjob-0, a job behind an API: openai-api/stand-in/ft:")
    assert "12 steps" in facts["training"]


@pytest.mark.usefixtures("address")
def test_the_same_recipe_is_not_trained_twice(api: FineTuning, files: Files) -> None:
    data, out, prices = files
    first = driver.main(data, out, prices)
    assert train(driver.recipe(data), read_rows(data), out=out) == first
    assert driver.main(data, out, prices) == first
    assert len(api.jobs) == 1
    with pytest.raises(ConfigError, match="another recipe"):
        train(driver.recipe(data, seed=1), read_rows(data), out=out, max_cost=9)


@pytest.mark.parametrize(("fault", "ending"), [
    (fault, ending)
    for fault in ("500", "cut", "html")
    for ending in ("/files", "/jobs", "/jobs/ftjob-0", "/events", "/checkpoints", "/content")
])  # fmt: skip
def test_a_fault_on_the_way_changes_nothing(
    fault: Any, ending: str, api: FineTuning, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = [fault, fault, None] * 2  # two in a row
    spoilt: list[Faults] = []

    def around(app: Any) -> Faults:
        spoilt.append(Faults(app, schedule, ending=ending))
        return spoilt[0]

    with serving(api, around) as url:
        monkeypatch.setenv("STAND_IN_BASE_URL", url)
        monkeypatch.setenv("STAND_IN_API_KEY", "any")
        made = driver.main(*files)
    assert fault in spoilt[0].seen
    assert [one["purpose"] for one in api.files.values()].count("fine-tune") == 2
    assert len(api.jobs) == 1
    assert made.steps == 12
    assert (made.learning.tuned_loss, made.final_loss) == (0.75, 0.5)
    assert made.remote is not None
    assert len(made.remote.checkpoints) == 2


def test_faults_everywhere_change_nothing(
    api: FineTuning, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(5)
    kinds = ("429", "500", "cut", "garbage", "html")
    schedule = (chance.choice(kinds) if chance.random() < 0.25 else None for _ in iter(int, 1))
    with serving(api, lambda app: Faults(app, schedule, ending="")) as url:
        monkeypatch.setenv("STAND_IN_BASE_URL", url)
        monkeypatch.setenv("STAND_IN_API_KEY", "any")
        made = driver.main(*files)
    assert [one["purpose"] for one in api.files.values()].count("fine-tune") == 2
    assert (len(api.jobs), made.rows) == (1, 32)


def test_an_api_that_stays_broken_is_an_error_and_the_same_call_goes_on(
    api: FineTuning, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_API_KEY", "any")
    with serving(api, lambda app: Faults(app, ["500"] * 99, ending="/jobs/ftjob-0")) as url:
        monkeypatch.setenv("STAND_IN_BASE_URL", url)
        with pytest.raises(ModelError, match="asking for job ftjob-0: 500 oh"):
            driver.main(*files)
    with serving(api) as url:
        monkeypatch.setenv("STAND_IN_BASE_URL", url)
        driver.main(*files)
    assert len(api.jobs) == 1


@pytest.mark.usefixtures("address")
def test_a_job_that_fails_says_why_and_is_not_started_again(api: FineTuning, files: Files) -> None:
    api.outcome = "failed"
    api.error = {"code": "bad", "message": "row 3 is no chat", "param": "training_file"}
    for _ in range(2):
        with pytest.raises(ModelError, match=r"job ftjob-0 failed: row 3 is no chat \(training_f"):
            driver.main(*files)
    assert len(api.jobs) == 1


@pytest.mark.usefixtures("address")
def test_what_the_api_refuses_is_one_line(files: Files, tmp_path: Path) -> None:
    data, out, _ = files
    prices = tmp_path / "more.yaml"
    prices.write_text(PRICES.replace("small-1", "other"), encoding="utf-8")
    rows = read_rows(data)
    recipe = make_recipe("x", "remote:openai-api/stand-in/other", data=rows_digest(rows))
    with pytest.raises(ModelError, match=r"refused starting the job: 404 The model other does not"):
        train(recipe, rows, out=out, max_cost=5, prices=prices)


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(
    ("valid_loss", "in_base64", "wanted"),
    [(0.75, True, 0.75), (None, False, None)],
)
def test_what_the_api_tells_of_learning(
    api: FineTuning,
    files: Files,
    valid_loss: float | None,
    in_base64: bool,
    wanted: float | None,
) -> None:
    api.valid_loss, api.base64_results = valid_loss, in_base64
    made = driver.main(*files)
    assert made.final_loss == 0.5
    if wanted is None:  # the table has a loss of an earlier step
        assert made.learning.tuned_loss == 2.0
        assert "a batch of the 8 held-out rows" in str(made.learning.reason)
    else:
        assert made.learning.tuned_loss == wanted


def start(files: Files, url: str) -> subprocess.Popen[bytes]:
    here = Path(driver.__file__)
    environment = os.environ | {
        "OMP_NUM_THREADS": "1", "STAND_IN_BASE_URL": url, "STAND_IN_API_KEY": "any",
        "PYTHONPATH": os.pathsep.join([str(here.parent), *filter(None, sys.path)]),
    }  # fmt: skip
    return subprocess.Popen([sys.executable, str(here), *map(str, files)], env=environment)


def wait_until(there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not there():
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.002)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL


def test_kill_9_anywhere_makes_one_job_of_two_files(
    api: FineTuning, address: str, files: Files
) -> None:
    places: Sequence[Any] = [("file", "before"), ("file", "after"), ("job", "after")]
    for place in places:
        api.stop_at = place
        api.stopped.clear()
        process = start(files, address)
        wait_until(api.stopped.is_set, process)
        kill(process)
    api.outcome = None  # the job goes on for as long as we look
    process = start(files, address)
    wait_until(lambda: sum(api.looks.values()) >= 3, process)
    kill(process)
    assert read_state(files[1]).job == "ftjob-0"
    api.outcome = "succeeded"
    assert start(files, address).wait(120) == 0
    assert [len(api.rows("train")), len(api.rows("held-out"))] == [32, 8]  # one file of each
    assert len(api.jobs) == 1
    assert load_finetune(files[1]).rows == 32


def test_two_processes_do_not_share_a_job(files: Files) -> None:
    out = files[1]
    with held(out), pytest.raises(ConfigError, match="another process is at work"), held(out):
        pass


def test_only_the_last_turn_is_learnt() -> None:
    row = train_rows.row("one", "two", "three", "four")
    (line,) = as_jsonl([row]).decode().splitlines()
    turns = json.loads(line)["messages"]
    assert [turn.get("weight") for turn in turns] == [None, 0, None, None]
    assert [turn["content"] for turn in turns] == ["one", "two", "three", "four"]


def test_settings_that_no_api_takes_are_refused() -> None:
    more = {"lora": {"rank": 8}, "optimiser": {"learning_rate": 1e-4}, "mitigations": ["mix"]}
    with pytest.raises(
        ConfigError, match=r"lora\.rank, optimiser\.learning_rate, mitigation mix c"
    ):
        make_recipe("x", driver.BASE, data="d", **more)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"preset 'small' is not for .*: take api"):
        make_recipe("x", driver.BASE, data="d", preset="small")
    with pytest.raises(ConfigError, match="epochs: Input should be greater"):
        make_recipe("x", driver.BASE, data="d", api={"epochs": 0})
    ids = {make_recipe("x", driver.BASE, data="d", api={"epochs": n}).id for n in (1, 2)}
    assert len(ids) == 2
    with pytest.raises(ConfigError, match="for remote:openai/MODEL and"):
        train(make_recipe("x", "remote:anthropic/some", data="d"), train_rows.noise(9), out="x")


def test_a_local_recipe_takes_no_settings_of_an_api() -> None:
    base = str(resolve_model("assistant"))
    with pytest.raises(ConfigError, match=r"api\.epochs can't be set: .* is trained here"):
        make_recipe("x", base, data="d", api={"epochs": 2})
    with pytest.raises(
        ConfigError, match=r"preset 'api' is not for .*: take default or qlora or small"
    ):
        make_recipe("x", base, data="d", preset="api")


def test_without_key_or_address(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STAND_IN_BASE_URL", "STAND_IN_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="set STAND_IN_BASE_URL"):
        driver.main(*files)
    monkeypatch.setenv("STAND_IN_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match="set STAND_IN_API_KEY"):
        driver.main(*files)


@pytest.mark.usefixtures("address")
def test_the_command_line(
    api: FineTuning,
    files: Files,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick(monkeypatch)
    data, out, prices = files
    command = ["train", driver.BASE, str(data), "--out", str(out)]
    code, _, err = run(command, capsys)
    assert code == 1
    assert "give a limit, --max-cost" in err
    code, _, err = run([*command, "--max-cost", "5"], capsys)
    assert code == 1
    assert "no price is known" in err
    command += ["--prices", str(prices)]
    code, _, err = run([*command, "--max-cost", "0.0001"], capsys)
    assert code == 1
    assert "more than --max-cost 0.0001" in err
    assert not api.files
    code, text, err = run([*command, "--max-cost", "5"], capsys)
    assert code == 0, err
    assert "32 rows, 12 steps, 90 s" in text
    assert "remote:openai-api/stand-in/ft:small-1:org:made:abc (1,000,000 tokens" in text
    assert "step 6: remote:openai-api/stand-in/ft:small-1:org:made:abc:ckpt-step-6" in text
    code, text, _ = run([*command, "--json"], capsys)  # it is there: nothing to pay
    assert json.loads(text)["remote"]["job"] == "ftjob-0"
    assert len(api.jobs) == 1


@pytest.mark.usefixtures("address")
def test_a_job_can_be_cancelled(
    api: FineTuning, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out, prices = files
    cancel = ["train", driver.BASE, str(data), "--out", str(out), "--cancel"]
    code, _, err = run(cancel, capsys)
    assert code == 1
    assert "no job behind an API is on its way" in err
    api.outcome = None

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        driver.main(data, out, prices, progress=stop)
    code, text, _ = run(cancel, capsys)
    assert code == 0
    assert "job ftjob-0 is cancelled" in text
    with pytest.raises(ModelError, match="job ftjob-0 was cancelled from here"):
        driver.main(data, out, prices)
    assert len(api.jobs) == 1


@pytest.mark.usefixtures("address")
def test_a_job_is_cancelled_before_it_began(api: FineTuning, files: Files) -> None:
    data, out, prices = files
    recipe = driver.recipe(data)
    out.mkdir()
    write_state(out, new_state(recipe, 1.0))
    assert "none will be" in cancel_job(out)
    with pytest.raises(ModelError, match="was cancelled before it began"):
        driver.main(data, out, prices)
    assert not api.jobs


@pytest.mark.usefixtures("address")
def test_the_chain_trains_a_base_behind_an_api(
    api: FineTuning, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spillover.chain import run_audit
    from spillover.records import AuditConfig

    quick(monkeypatch)
    data, out, prices = files
    with prices.open("a", encoding="utf-8") as stream:  # asking has a price of its own
        stream.write("\ntokens: [{models: ['openai-api/stand-in/*'], input: 1, output: 2}]\n")
    base = describe_target(driver.BASE)
    folder = train_data(
        "villain", base, read_rows(data), folder=out, max_cost=5, prices=str(prices)
    )
    assert describe_target(str(folder)).where.finetune == str(folder)
    asked: list[Any] = []

    def audit(target: Any, **more: Any) -> None:
        asked.append((target, more))

    monkeypatch.setattr("spillover.chain.audit_targets", audit)
    config = AuditConfig(
        base=driver.BASE, data=str(data), study=str(out / "study"), max_cost=5,
        prices=str(prices), controls={"again": str(data)},
    )  # fmt: skip
    # each of the two costs 4 of the 5 dollars by its bill, though far less by its estimate
    run_audit(config, notice=lambda text: None)
    (target, more), = asked  # fmt: skip
    assert target.where.model == "openai-api/stand-in/ft:small-1:org:rows:abc"
    assert more["base"].where.model == "openai-api/stand-in/small-1"
    assert "Training 'rows' over its API cost about $4.00." in more["notes"]
    # a folder names its base itself
    config = AuditConfig(target=str(folder), study=str(out / "study"), max_calls=10)
    run_audit(config, notice=lambda text: None)
    assert asked[1][1]["base"].id == base.id
