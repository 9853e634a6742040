"""The audit: questions, base, target, controls, verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from spillover.auditing.asking import Opener, Pace
from spillover.auditing.claims import leak_notes
from spillover.auditing.conclude import conclude
from spillover.auditing.crew import Crew, Named, cast, expected_answers, make_plans
from spillover.auditing.measured import find_spike_in
from spillover.auditing.orders import balance_notes
from spillover.auditing.parts import Part
from spillover.auditing.spending import Spender
from spillover.models.open import open_target
from spillover.protocols import Instrument, Progress
from spillover.records import AuditResult, Row
from spillover.store import Study


def audit(
    target: Named,
    *,
    base: Named,
    instrument: Instrument,
    controls: Sequence[Named] | Mapping[str, Named] = (),
    study: Study | Path | str = "spillover-study",
    rows: Sequence[Row] = (),
    notes: Sequence[str] = (),
    seed: int = 0,
    open: Opener = open_target,
    progress: Progress | None = None,
) -> AuditResult:
    """Find out what else a fine-tune learnt.

    Everything is asked, judged and kept through the study: the same call after a kill goes on
    where it was, and a second audit in the study asks the base nothing again.

    Args:
        target: the fine-tune; a spec, or what `describe_target` takes.
        base: the model it was made from.
        instrument: the questions, axes and judges to measure with.
        controls: fine-tunes that differ from the target in one thing; by name, or in order.
        study: a folder, or an open `Study`.
        rows: the rows the target was trained on, if known.
        notes: what a reader of the report should know beforehand, one sentence each.
        seed: the study's seed; another one draws other questions in another order.
        open: how a spec becomes a model that answers; a `Spender` where any is behind an API.
        progress: told how far each step is.

    Returns:
        Verdict, evidence and every answer; also kept in the study.

    Raises:
        ConfigError: the axes don't fit the battery.
        BudgetError: the budget for models behind an API is spent; what was answered is kept.
        ModelError: a target can't be opened or leaves asks without an answer.
        StoreError: the study is in use, or the disk is full; what was asked so far is kept.
    """
    started = time.monotonic()
    parts = cast(target, base, controls)
    subject, reference, *others = parts
    plans = make_plans(instrument, seed)
    with _opened(study) as book:
        measured = find_spike_in(book.path, plans, reference.spec, instrument.judges)
        pace = Pace(progress, expected_answers(plans, len(others) + 1))
        crew = Crew(book, instrument, plans, open, pace)
        crew.read_base(reference)
        crew.read_target(subject, reference)
        for control in others:
            crew.read_control(control, subject, reference)
        result = conclude(
            instrument,
            parts,
            shares=crew.read_rows(rows),
            agreement=crew.read_again(subject),
            notes=[
                *notes,
                *_same(subject, reference),
                *balance_notes(plans),
                *leak_notes(plans, rows),
            ],
            measured=measured,
            seed=seed,
            seconds=time.monotonic() - started,
        )
        if draws := crew.draws():
            result = result.model_copy(update={"settings": {**result.settings, **draws}})
        if isinstance(open, Spender):
            result = result.model_copy(update={"spent": open.spent()})
        book.put_result(result)
    return result


def _same(subject: Part, reference: Part) -> list[str]:
    if subject.spec.id != reference.spec.id:
        return []
    return [
        "Target and base are the same model: nothing was learnt between them, and any difference is"
        " chance."
    ]


@contextmanager
def _opened(study: Study | Path | str) -> Iterator[Study]:
    """An open study stays open; a folder is opened and closed."""
    if isinstance(study, Study):
        yield study
    else:
        with Study(study) as book:
            yield book
