"""What is measured of a judging model: how orders move it, and how far labels by hand agree."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spillover.auditing.naming import describe_judge
from spillover.auditing.panel import judge_mode, seat_panel, seated
from spillover.auditing.probing import probe_model
from spillover.auditing.quoted import Quoted, judge_quoted, with_questions
from spillover.auditing.spending import make_spender
from spillover.compare import Reread, calibrate_anew, check_labels, read_gold
from spillover.data import gold_path, load_probes, load_questions, merge_batteries
from spillover.errors import ConfigError
from spillover.protocols import Progress, Target, judge_version
from spillover.records import AuditConfig, Calibration, Dtype, JudgeMode, ProbeResult, Quantize
from spillover.store import Study


def probe_judge(
    judge: str | Path,
    *,
    judge_mode: JudgeMode = "auto",
    rubrics: str | Path | None = None,
    study: str | Path = "spillover-study",
    device: str = "auto",
    dtype: Dtype | None = None,
    quantize: Quantize | None = None,
    trust_remote_code: bool = False,
    max_calls: int | None = None,
    max_cost: float | None = None,
    progress: Progress | None = None,
) -> ProbeResult:
    """Measure how far answers that give it orders move a judging model.

    It reads the package's pairs of answers, without and with words on how to grade them, as an
    audit with this judge would. The study keeps what it says: the same call again asks nothing.

    Args:
        judge: a model, as `audit` takes it.
        judge_mode: how it judges, see `AuditConfig`.
        rubrics: a folder of rubrics of one's own.
        study: a folder for the answers.
        device, dtype, quantize, trust_remote_code: of a local model, see `AuditConfig`.
        max_calls: the most calls to a model behind an API, which needs this or the next.
        max_cost: the most US dollars for it.
        progress: told how far it is.

    Raises:
        SpilloverError: whatever is wrong with judge, rubrics or study.
    """
    config = _config(
        judge, judge_mode=judge_mode, rubrics=rubrics, study=study, device=device, dtype=dtype,
        quantize=quantize, trust_remote_code=trust_remote_code, max_calls=max_calls,
        max_cost=max_cost,
    )  # fmt: skip
    return run_probe(config, progress=progress)


def calibrate_judge(
    gold: str | Path,
    *,
    judge: str | Path,
    judge_mode: JudgeMode = "auto",
    rubrics: str | Path | None = None,
    questions: str | Path | None = None,
    study: str | Path = "spillover-study",
    device: str = "auto",
    dtype: Dtype | None = None,
    quantize: Quantize | None = None,
    trust_remote_code: bool = False,
    max_calls: int | None = None,
    max_cost: float | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Measure a judging model by answers labelled by hand, which it judges anew.

    Args:
        gold: a CSV with the columns question, answer and human_label (see `read_gold`), or
            ``starter``: the package's 60 answers, which are clearer than most that models give.
        judge: a model, as `audit` takes it; an audit with the same judge, loaded alike, the
            same mode, rubrics and questions accepts the calibration.
        judge_mode: how it judges, see `AuditConfig`.
        rubrics: a folder of rubrics of one's own.
        questions: the audit's own questions, where they bring judge prompts.
        study: a folder for the answers.
        device, dtype, quantize, trust_remote_code: of a local model, see `AuditConfig`.
        max_calls: the most calls to a model behind an API, which needs this or the next.
        max_cost: the most US dollars for it.
        progress: told how far it is.

    Raises:
        ConfigError: too few labels.
        SpilloverError: whatever is wrong with gold set, judge, rubrics or study.
    """
    config = _config(
        judge, judge_mode=judge_mode, rubrics=rubrics, questions=questions, study=study,
        device=device, dtype=dtype, quantize=quantize, trust_remote_code=trust_remote_code,
        max_calls=max_calls, max_cost=max_cost,
    )  # fmt: skip
    return run_calibrate_judge(config, gold, progress=progress)


def run_probe(config: AuditConfig, *, progress: Progress | None = None) -> ProbeResult:
    """Do what `probe_judge` does, with an audit's settings for its one judge."""
    with _bench(config, progress) as (study, model):
        return probe_model(config, model, study, load_probes())


def run_calibrate_judge(
    config: AuditConfig, gold: str | Path, *, progress: Progress | None = None
) -> Calibration:
    """Do what `calibrate_judge` does, with an audit's settings for its one judge."""
    rows, sha256 = read_gold(gold_path(gold), anew=True)
    check_labels(rows)  # now: judging can cost money
    battery = load_questions()
    if config.questions:
        battery = merge_batteries(battery, load_questions(config.questions))
    labelled = [row for row in rows if not row.missing]
    quotes = [Quoted(row.question, row.answer) for row in labelled]
    with _bench(config, progress) as (study, model):
        battery = with_questions(battery, quotes)
        judge = seat_panel(config, [model], battery).judges["rubric"]
        found = [one.judgement for one in judge_quoted(study, judge, battery, quotes)]
    said = [
        Reread(row, one.label or "", one.missing or "")
        for row, one in zip(labelled, found, strict=True)
    ]
    return calibrate_anew(
        [*said, *(Reread(row) for row in rows if row.missing)],
        judge=judge.id,
        version=judge_version(judge),
        by=f"{model.spec.name} ({judge_mode(model.spec, config.judge_mode)})",
        sha256=sha256,
    )


class _Bench(NamedTuple):
    study: Study
    model: Target


@contextmanager
def _bench(config: AuditConfig, progress: Progress | None) -> Generator[_Bench]:
    """An open study, and the one judge that is asked through it."""
    if len(config.judge) != 1:
        raise ConfigError(f"{len(config.judge)} judges: give one, since one is measured at a time")
    spender = make_spender(
        config.judge,
        max_calls=config.max_calls,
        max_cost=config.max_cost,
        prices=config.prices,
        connections=config.connections,
    )
    spec = describe_judge(config, config.judge[0])
    with Study(config.study) as study:
        (model,) = seated([spec], study, spender, spender.watch(progress))
        yield _Bench(study, model)


def _config(judge: str | Path, **settings: Any) -> AuditConfig:
    texts: dict[str, Any] = {
        name: str(one) if isinstance(one, Path) else one for name, one in settings.items()
    }
    return AuditConfig(judge=(str(judge),), **texts)
