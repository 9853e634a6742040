"""The whole chain, from names to a verdict: train what is to be trained, choose what to ask, audit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spillover.audit import audit as audit_targets
from spillover.auditing.calibrated import with_calibration
from spillover.auditing.choose import choose_instrument, lacking_judge, not_asked, with_limits
from spillover.auditing.crew import make_plans
from spillover.auditing.expected import expect
from spillover.auditing.learnt import find_finetune
from spillover.auditing.naming import (
    base_and_target,
    data_apart,
    describe_judge,
    describe_named,
    means_rows,
)
from spillover.auditing.panel import seated
from spillover.auditing.spending import audit_spender, forecast
from spillover.auditing.topics import topics_note
from spillover.auditing.training import train_data
from spillover.data import HUB, Loaded, load_rows, names_rows, parse_hub, rows_digest
from spillover.data.yamls import build_record
from spillover.protocols import Instrument, Progress
from spillover.records import (
    AuditConfig,
    AuditResult,
    Dtype,
    JudgeMode,
    Quantize,
    Row,
    TargetSpec,
    TemplateArgs,
)
from spillover.store import Study

Notice = Callable[[str], object]
_TOY = "toy:"
_NO_DATA = Loaded([], "", "", "")


def audit(
    target: str | Path | None = None,
    *,
    base: str | Path | None = None,
    controls: Mapping[str, str | Path] | None = None,
    data: str | Path | None = None,
    study: str | Path = "spillover-study",
    recipe: str | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    system: str | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] = (),
    chat_template: str | Path | None = None,
    template_args: TemplateArgs | None = None,
    device: str = "auto",
    dtype: Dtype | None = None,
    quantize: Quantize | None = None,
    trust_remote_code: bool = False,
    judge: str | Path | Sequence[str | Path] = (),
    judge_mode: JudgeMode = "auto",
    max_calls: int | None = None,
    max_cost: float | None = None,
    instrument: Instrument | None = None,
    progress: Progress | None = None,
    notice: Notice = warnings.warn,
) -> AuditResult:
    """Find out what else a fine-tune taught a model, from names to the verdict.

    The study keeps every answer, so that the same call after an interruption goes on where it
    was, and base and controls are asked once for every audit in it.

    Args:
        target: a fine-tune or adapter folder, a model folder, ``toy:NAME`` or ``script:FILE``;
            None makes a fine-tune of ``base`` on ``data``.
        base: the model that the target was made from; None reads it from the adapter.
        controls: by name, fine-tunes that differ from the target in one thing, or training
            rows (``*.jsonl``, ``*.parquet``, ``hf:OWNER/NAME``, ...) for such fine-tunes.
        data: the rows that the target was, or is to be, trained on.
        study: a folder for answers and fine-tunes.
        recipe: preset for fine-tunes made here.
        seed: of fine-tunes made here, and of the asks.
        skip_bad: leave out training rows that can't be used; a note in the result counts them.
        system, max_tokens, stop, chat_template, template_args: how target, base and controls are
            asked; device, dtype, quantize, trust_remote_code: of local models. See `AuditConfig`.
        judge: a model that judges free-form answers, or several; the first one's judgements count.
        judge_mode: how they judge, see `AuditConfig`.
        max_calls: the most calls to models behind an API (``remote:PROVIDER/MODEL``), which need
            this or the next.
        max_cost: the most US dollars for them.
        instrument: questions, axes and judges of one's own, in place of the library's.
        progress: told how far each step is.
        notice: told, before anything takes long, of what will stand in the way of a verdict.

    Raises:
        SpilloverError: whatever is wrong with one of them, or with the study.
    """
    given: dict[str, Any] = {
        "target": None if target is None else str(target),
        "base": None if base is None else str(base),
        "controls": {name: str(path) for name, path in (controls or {}).items()},
        "data": None if data is None else str(data),
        "study": str(study),
        "recipe": recipe,
        "seed": seed,
        "skip_bad": skip_bad,
        "system": system,
        "max_tokens": max_tokens,
        "stop": (stop,) if isinstance(stop, str) else tuple(stop),
        "chat_template": None if chat_template is None else str(chat_template),
        "template_args": template_args or {},
        "device": device,
        "dtype": dtype,
        "quantize": quantize,
        "trust_remote_code": trust_remote_code,
        "judge": tuple(map(str, [judge] if isinstance(judge, str | Path) else judge)),
        "judge_mode": judge_mode,
        "max_calls": max_calls,
        "max_cost": max_cost,
    }
    config = build_record(AuditConfig, given, Path("arguments"))
    return run_audit(config, instrument=instrument, progress=progress, notice=notice)


def run_audit(
    config: AuditConfig,
    *,
    instrument: Instrument | None = None,
    progress: Progress | None = None,
    notice: Notice = warnings.warn,
    estimate: Notice | None = None,
) -> AuditResult:
    """Do what ``config`` says; the same call after an interruption goes on where it was.

    Args:
        config: names of target, base, data and controls, and where to keep the answers.
        instrument: what to measure with, if not with what `choose_instrument` chooses.
        progress: told how far each step is.
        notice: told, before anything takes long, of what will stand in the way of a verdict.
        estimate: told then, where no model is behind an API, what is to come and how long it takes.

    Raises:
        ConfigError: target, base and data don't fit together, or a model is behind an API and
            nothing limits its calls.
        BudgetError: that limit is reached; what was answered is kept.
        SpilloverError: whatever is wrong with one of them, or with the study.
    """
    config = data_apart(config)
    data = load_data(config.data, skip_bad=config.skip_bad) if config.data else _NO_DATA
    base, target = base_and_target(config)
    spender = audit_spender(config)
    progress = spender.watch(progress)
    with Study(config.study) as study:
        maker = _Maker(config, study, base, progress, notice, [data.note] if data.note else [])
        panel = [describe_judge(config, text) for text in config.judge]
        judges = seated(panel, study, spender, progress)

        def choose(held_out: Sequence[Row]) -> Instrument:
            found = instrument or choose_instrument(
                config, base, data.rows, held_out, judges=judges
            )
            return with_calibration(with_limits(found, config), config.calibration)

        chosen = choose(())
        if lacking := lacking_judge(chosen):
            notice(lacking)  # now: training and asking take long
            maker.notes.append(lacking)
        there = {n: maker.find(n, p) for n, p in config.controls.items() if not means_rows(p)}
        if estimate is not None and spender.budget is None:
            others = [target, *map(there.get, config.controls)]
            if expected := expect(chosen, config.seed, study, base, others):
                estimate(expected.sentence)
        target = target or maker.train(data_name(data.source), data)
        controls = {n: there.get(n) or maker.find(n, p) for n, p in config.controls.items()}
        if instrument is None:
            if held_out := maker.held_out(target, data.rows):
                chosen = choose(held_out)
            for said in (not_asked(config, chosen), topics_note(chosen, data.rows)):
                if said:
                    maker.notes.append(said)
        if spender.budget is not None:
            spender.budget.charge(sum(maker.paid))  # one limit for training and asking
            plans, others = make_plans(chosen, config.seed), [target, *controls.values()]
            if calls := forecast(spender, plans, base=base, others=others):
                notice(calls)
        return audit_targets(
            target,
            base=base,
            controls=controls,
            instrument=chosen,
            study=study,
            rows=data.rows,
            notes=maker.notes,
            seed=config.seed,
            open=spender,
            progress=progress,
        )


def load_data(text: str, *, skip_bad: bool = False) -> Loaded:
    """Return the training rows in a file or data set, or those of the toy data set ``toy:NAME``.

    Args:
        text: a path, ``hf:OWNER/NAME`` or ``toy:NAME``.
        skip_bad: leave out rows that can't be used, and count them.
    """
    if not text.startswith(_TOY):
        return load_rows(text, skip_bad=skip_bad)
    from spillover.toy import resolve_data

    return Loaded(list(resolve_data(text.removeprefix(_TOY))), text, "toy world", "chat")


def data_name(text: str) -> str:
    """Return what to call a fine-tune by its data: the last part of the name, without endings."""
    name = text.removeprefix(_TOY)
    if name.startswith(HUB):
        name = parse_hub(name).name
    name = Path(name).name.removesuffix(".gz")
    return Path(name).stem if names_rows(name) else name


@dataclass(frozen=True)
class _Maker:
    config: AuditConfig
    study: Study
    base: TargetSpec
    progress: Progress | None
    notice: Notice
    notes: list[str]
    paid: list[float] = field(default_factory=list[float])  # dollars for training over an API

    def find(self, name: str, text: str) -> TargetSpec:
        """A control by its name; rows are trained on first."""
        if means_rows(text):
            data = load_data(text, skip_bad=self.config.skip_bad)
            if data.note:
                self.notes.append(data.note)
            return self.train(name, data)
        return describe_named(self.config, text, name=name)

    def train(self, name: str, data: Loaded) -> TargetSpec:
        folder = train_data(
            name,
            self.base,
            data.rows,
            folder=self.study.finetunes,
            preset=self.config.recipe,
            data_path=data.source,
            skipped=len(data.skipped),
            seed=self.config.seed,
            device=self.config.device,
            max_cost=self._left(),
            prices=self.config.prices,
            progress=self.progress,
            notice=lambda text: self.notice(f"{name}: {text}"),
        )
        made = describe_named(self.config, str(folder), name=name)
        self._pay(made)
        return made

    def _left(self) -> float | None:
        """Dollars that may still be spent; None without a limit."""
        most = self.config.max_cost
        return None if most is None else max(0.0, most - sum(self.paid))

    def _pay(self, made: TargetSpec) -> None:
        """Take what training over an API cost out of what may still be spent."""
        finetune = find_finetune(made)
        if finetune is None or finetune.remote is None:
            return
        run = finetune.remote
        known = run.dollars if run.dollars is not None else run.estimated_dollars
        self.paid.append(known or 0.0)
        if known is not None:
            self.notes.append(f"Training {made.name!r} over its API cost about ${known:,.2f}.")

    def held_out(self, target: TargetSpec, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows that the target was not trained on, if its recipe tells."""
        finetune = find_finetune(target)
        if not rows or finetune is None or finetune.recipe.what.data != rows_digest(rows):
            return ()
        from spillover.train.examples import split

        what = finetune.recipe.what
        return split(rows, share=what.held_out, seed=what.seed).held_out
