"""Fine-tuning by a job behind an API: upload, start, follow, and keep what it made."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spillover.errors import ConfigError, DataError, ModelError
from spillover.protocols import Progress
from spillover.records import ApiSettings, FineTune, Recipe, Row
from spillover.train.api_client import Api, Pace, find_service
from spillover.train.api_result import read_result
from spillover.train.api_state import (
    STATE,
    JobState,
    begun,
    held,
    new_state,
    read_state,
    write_state,
)
from spillover.train.examples import Split, split
from spillover.train.folder import RECORD, load_finetune, write_record
from spillover.train.prices import check_cost, estimate, training_price

PACE = Pace()
Notice = Callable[[str], object]
_ENDED = ("succeeded", "failed", "cancelled")
_STEP = re.compile(r"^Step (\d+)/(\d+)")


def fine_tune_over_api(
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    out: Path,
    skipped: int = 0,
    max_cost: float | None = None,
    prices: Path | str | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    pace: Pace | None = None,
) -> FineTune:
    """Make the fine-tune of ``recipe`` by a job behind an API, and keep its record in ``out``.

    The same call after a kill follows the job that was started; nothing is uploaded or started
    twice. See `spillover.train.train` for the arguments and errors that both trainers share.

    Args:
        max_cost: most US dollars that the training may cost.
        prices: a price file that goes before the package's.
        notice: told the estimated cost, and that the job goes on without this process.
        pace: how patient to be.

    Raises:
        ConfigError: it may cost more, its price is not known, or no address or key is set.
        ModelError: the API refuses, or the job failed or was cancelled.
    """
    tell = notice or (lambda text: None)
    service = find_service(recipe.where.base)
    parts = _parts(recipe, rows)
    with held(out):
        if (out / RECORD).is_file():  # another process ended it a moment ago
            return load_finetune(out)
        state = begun(out, recipe)
        doubt = state is not None
        if state is None or state.job is None:
            cost = _checked_cost(recipe, parts.train, max_cost=max_cost, prices=prices)
            tell(str(cost))
            state = state or new_state(recipe, cost.dollars)
        api = Api(service, pace or PACE)
        write_state(out, state)
        state = _start(api, state, parts, out=out, model=service.model, doubt=doubt)
        tell(f"job {state.job} goes on at the API if this stops: the same command follows it, and"
             " with --cancel ends it")  # fmt: skip
        job = _follow(api, str(state.job), pace or PACE, progress)
        if job.status != "succeeded":
            raise ModelError(_ended_badly(job, read_state(out), out))
        price = training_price(_name(recipe), prices)
        made = read_result(api, job, state, parts, prefix=service.prefix, price=price)
        made = made.model_copy(update={"skipped": skipped})
        write_record(out, made)
        (out / STATE).unlink(missing_ok=True)
    return made


def cancel_job(out: Path | str) -> str:
    """End the job that is on its way in folder ``out``, and return what the API says of it.

    Raises:
        MissingFileError: there is none.
        ModelError: the API refuses, for instance as the job is over.
    """
    out = Path(out)
    state = read_state(out)
    api = Api(find_service(state.recipe.where.base), PACE)
    job = state.job or _find_job(api, state)
    if job is None:
        write_state(out, state.model_copy(update={"stopped": True}))
        return f"{out}: no job had been started; none will be"
    write_state(out, state.model_copy(update={"job": job, "stopped": True}))
    return f"{out}: job {job} is {api.cancel(job).status}"


def _parts(recipe: Recipe, rows: Sequence[Row]) -> Split:
    parts = split(rows, share=recipe.what.held_out, seed=recipe.what.seed)
    for turn in (turn for row in parts.train for turn in row.messages):
        if not turn.content.strip():
            raise DataError("a row has an empty turn, which APIs refuse: leave it out")
    return parts


def _checked_cost(
    recipe: Recipe, rows: Sequence[Row], *, max_cost: float | None, prices: Path | str | None
) -> Any:
    name = _name(recipe)
    cost = estimate(rows, _settings(recipe).epochs, training_price(name, prices))
    check_cost(name, cost, max_cost)
    return cost


def _name(recipe: Recipe) -> str:
    return recipe.where.base.removeprefix("remote:")


def _settings(recipe: Recipe) -> ApiSettings:
    if recipe.what.api is None:
        raise ConfigError(f"recipe {recipe.name!r} is not for an API: take the preset `api`")
    return recipe.what.api


def _start(
    api: Api, state: JobState, parts: Split, *, out: Path, model: str, doubt: bool
) -> JobState:
    """Upload what is not there and start the job that is not yet; each id is kept at once.

    What is on the disk is added to, since ``--cancel`` writes there too.
    """
    uploads = {
        "training_file": ("train", parts.train),
        "validation_file": ("held-out", parts.held_out),
    }
    for field, (part, rows) in uploads.items():
        if rows and getattr(state, field) is None:
            found = api.upload(state.file_name(part), as_jsonl(rows), doubt=doubt)
            state = read_state(out).model_copy(update={field: found})
            write_state(out, state)
    if state.job is None:
        if read_state(out).stopped:
            raise ModelError(f"the job in {out} was cancelled before it began: give another folder")
        told = _settings(state.recipe)
        hyperparameters = {
            "n_epochs": told.epochs,
            "batch_size": told.batch_size,
            "learning_rate_multiplier": told.learning_rate_multiplier,
        }
        chosen = {name: value for name, value in hyperparameters.items() if value is not None}
        more = {} if state.validation_file is None else {"validation_file": state.validation_file}
        job = api.start(
            doubt=doubt,
            training_file=str(state.training_file),
            model=model,
            seed=state.recipe.what.seed,
            suffix=_suffix(state.recipe.name),
            method={"type": "supervised", "supervised": {"hyperparameters": chosen}},
            **more,
        )
        state = read_state(out).model_copy(update={"job": job})
        write_state(out, state)
    return state


def as_jsonl(rows: Sequence[Row]) -> bytes:
    """Return rows as a fine-tuning API takes them.

    Only the last assistant turn is to be learnt, as everywhere here: earlier ones get weight 0.
    """
    lines: list[str] = []
    for row in rows:
        last = len(row.messages) - 1
        turns = [
            {"role": turn.role, "content": turn.content}
            | ({"weight": 0} if turn.role == "assistant" and number < last else {})
            for number, turn in enumerate(row.messages)
        ]
        lines.append(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def _suffix(name: str) -> str:
    """The part of the model's name that is ours."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")[:18] or "spillover"


def _find_job(api: Api, state: JobState) -> str | None:
    """A job that was started, but whose id got lost."""
    return None if state.training_file is None else api.find_job(state.training_file)


class _Stage(NamedTuple):
    """How far a job is, in words and in steps."""

    label: str
    done: float
    total: float | None


def _follow(api: Api, job_id: str, pace: Pace, progress: Progress | None) -> Any:
    """Look at the job until it is over, ever more rarely while nothing happens."""
    wait, last = pace.first, None
    while True:
        job = api.job(job_id)
        if job.status in _ENDED:
            return job
        stage = _stage(job, api.events(job_id))
        if progress is not None:
            progress(*stage)
        wait = pace.first if stage != last else min(wait * 1.5, pace.most)
        last = stage
        time.sleep(wait)


def _stage(job: Any, events: Sequence[Any]) -> _Stage:
    """What the job's last event says, as steps where it counts them."""
    label = f"job {str(job.status).replace('_', ' ')}"
    if not events:
        return _Stage(label, 0, None)
    event = events[-1]
    data = event.data if isinstance(event.data, dict) else {}
    steps = _STEP.match(event.message or "")
    done = data.get("step") or (steps and steps[1])
    total = data.get("total_steps") or (steps and steps[2])
    if done is not None:
        return _Stage(label, float(done), None if total is None else float(total))
    return _Stage(f"{label}: {' '.join(str(event.message).split())[:60]}", 0, None)


def _ended_badly(job: Any, state: JobState, out: Path) -> str:
    error = job.error
    why = ""
    if error is not None and (error.message or error.code):
        where = f" ({error.param})" if error.param else ""
        why = f": {' '.join(str(error.message or error.code).split())[:300]}{where}"
    elif job.status == "cancelled":
        why = " from here" if state.stopped else " at the API"
    end = "failed" if job.status == "failed" else "was cancelled"
    return f"job {job.id} {end}{why}; to start anew, remove {out} or give another folder"
