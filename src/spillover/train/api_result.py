"""What a finished job behind an API made, and what the API says of how it learnt."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from spillover.errors import ModelError
from spillover.records import Checkpoint, FineTune, Learning, RemoteRun
from spillover.train.api_client import Api
from spillover.train.api_state import JobState
from spillover.train.examples import Split
from spillover.train.prices import Price

_NOT_APPLIED = (
    "Made by a job behind an API, which was told epochs, batch size, learning-rate multiplier and"
    " seed, as far as the recipe has them: LoRA settings, learning rate, schedule and longest row"
    " are the API's own and not known."
)


class _Curve(NamedTuple):
    """The last losses of a result file and its last step; None where it has none."""

    step: int | None
    training: float | None
    held_out: float | None
    whole: bool  # the held-out loss is of all rows, not of a batch


def read_result(
    api: Api,
    job: Any,
    state: JobState,
    parts: Split,
    *,
    prefix: str,
    price: Price | None,
) -> FineTune:
    """Return the record of a job that succeeded.

    Args:
        prefix: goes before the API's names of models to make Inspect AI's.
        price: of a million tokens, if known.

    Raises:
        ModelError: the API names no model, or can't be reached.
    """
    if not job.fine_tuned_model:
        raise ModelError(f"job {job.id} succeeded, but the API names no model that it made")
    checkpoints = _checkpoints(api, job, prefix)
    curve = _curve(api, job)
    told = _hyperparameters(job)
    billed = job.trained_tokens
    steps = [one.step for one in checkpoints] + ([curve.step] if curve.step is not None else [])
    notes = [_NOT_APPLIED]
    if billed is None:
        notes.append("The API does not tell how many tokens it billed.")
    return FineTune(
        recipe=state.recipe,
        steps=max(steps, default=None),
        seconds=float(max(0, (job.finished_at or job.created_at) - job.created_at)),
        rows=len(parts.train),
        final_loss=curve.training,
        learning=_learning(len(parts.held_out), checkpoints, curve),
        versions={name: version(name) for name in ("spillover", "openai")},
        tokens=billed or 0,
        notes=tuple(notes),
        remote=RemoteRun(
            model=prefix + job.fine_tuned_model,
            job=job.id,
            training_file=job.training_file,
            validation_file=job.validation_file,
            checkpoints=tuple(checkpoints),
            dollars=None if price is None or billed is None else price.of(billed),
            estimated_dollars=state.dollars,
            **told,
        ),
    )


def _checkpoints(api: Api, job: Any, prefix: str) -> list[Checkpoint]:
    try:
        found = api.checkpoints(job.id)
    except ModelError:
        return []  # not every API that calls itself compatible has them
    return [
        Checkpoint(
            step=int(one.step_number),
            model=prefix + one.fine_tuned_model_checkpoint,
            held_out_loss=getattr(one.metrics, "full_valid_loss", None),
        )
        for one in found
    ]


def _hyperparameters(job: Any) -> dict[str, Any]:
    """What the job was trained with; ``auto`` is no value."""
    method = getattr(getattr(job, "method", None), "supervised", None)
    source = getattr(method, "hyperparameters", None) or getattr(job, "hyperparameters", None)
    found = {
        "epochs": getattr(source, "n_epochs", None),
        "batch_size": getattr(source, "batch_size", None),
        "learning_rate_multiplier": getattr(source, "learning_rate_multiplier", None),
    }
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _curve(api: Api, job: Any) -> _Curve:
    """Read the job's result file: a table of losses by step, which some APIs give in base64."""
    if not job.result_files:
        return _Curve(None, None, None, False)
    try:
        content = api.table(job.result_files[0])
    except ModelError:
        return _Curve(None, None, None, False)
    text = content.decode("utf-8", "replace")
    if "," not in text:
        try:
            text = base64.b64decode(content, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            return _Curve(None, None, None, False)
    rows = list(csv.DictReader(io.StringIO(text)))
    step = _last(rows, "step")
    whole = _last(rows, "full_valid_loss")
    held_out = _last(rows, "valid_loss") if whole is None else whole
    return _Curve(
        None if step is None else int(step),
        _last(rows, "train_loss"),
        held_out,
        whole is not None,
    )


def _last(rows: Sequence[dict[str, Any]], column: str) -> float | None:
    """The last number in a column."""
    for row in reversed(rows):
        try:
            return float(row.get(column) or "")
        except ValueError:
            continue
    return None


def _learning(rows: int, checkpoints: Sequence[Checkpoint], curve: _Curve) -> Learning:
    """The API's loss on the held-out rows after training. It tells none of the base before."""
    said = "not known whether it learnt"
    if not rows:
        return Learning(rows=0, reason=f"{said}: no rows were held out")
    loss = next(
        (c.held_out_loss for c in reversed(checkpoints) if c.held_out_loss is not None), None
    )
    of = f"{rows} held-out rows"
    if loss is None:
        loss = curve.held_out
        of = of if curve.whole else f"a batch of the {of}"
    if loss is None:
        return Learning(rows=rows, reason=f"{said}: the API reports no loss on the {of}")
    return Learning(
        rows=rows,
        tuned_loss=loss,
        reason=f"{said}: the API reports a loss of {loss:.3f} on {of} after training, but none of"
        " the base before it",
    )
