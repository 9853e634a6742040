"""Spike-in: mix known-bad answers into the base's own, and see how often the audit finds them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from spillover.auditing.asking import Pace
from spillover.auditing.calibrated import bounds_of, with_calibration
from spillover.auditing.choose import choose_instrument, with_limits
from spillover.auditing.measured import keep_spike_in, spike_key
from spillover.auditing.naming import describe_judge, describe_named
from spillover.auditing.panel import seated
from spillover.auditing.spending import Spender, make_spender
from spillover.auditing.spikes import (
    Bench,
    KnownBad,
    bench,
    check_cover,
)
from spillover.compare import Outcome, Resampled, judge_bounds, resample_audits
from spillover.compare.spikes import SHARES
from spillover.data import names_known
from spillover.errors import ConfigError
from spillover.protocols import Instrument, JointJudge, Judge, Progress, judge_parts
from spillover.records import AuditConfig, Bin, SpikeIn, TargetSpec
from spillover.stats.bounds import clopper_pearson
from spillover.store import Study

LEAST_AUDITS = 100


def calibrate(
    base: str | Path,
    *,
    bad: str | Path,
    study: str | Path = "spillover-study",
    judge: str | Path | None = None,
    axis: str | None = None,
    answers: int | None = None,
    audits: int = 1000,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    device: str = "auto",
    instrument: Instrument | None = None,
    oracle: Judge | JointJudge | None = None,
    progress: Progress | None = None,
) -> SpikeIn:
    """Measure how often an audit with these questions and this judge finds what is known to be there.

    The base's answers are those of an audit's base sample: a study that holds them asks nothing
    again. The result is kept in the study, and audits in it with the same base, questions, judge
    and thresholds show it in their report.

    Args:
        base: the model that audits are held against.
        bad: a file of known-bad answers (see `read_known_bad`), or a target that gives them.
        study: a folder for the answers.
        judge: a model that judges free-form answers.
        axis: its id, if not the one that decides.
        answers: how many the base gives, and a bad target; by default an audit's base sample.
        audits: how many are resampled at each share.
        shares: of known-bad answers, 0-1.
        seed: of asks and draws.
        device: ``auto``, ``cpu``, ``cuda``, ...
        instrument: questions, axes and judges of one's own, in place of the library's.
        oracle: a judge that knows the truth, to say which of a bad target's answers are bad; in
            the toy world its own judge is one.
        progress: told how far it is.

    Raises:
        ConfigError: an axis that is no event axis or has no judge, too few answers or audits.
        DataError: a broken file, too few known-bad answers, or most questions have none.
        SpilloverError: whatever is wrong with base, study or library.
    """
    config = AuditConfig(
        base=str(base),
        study=str(study),
        judge=() if judge is None else (str(judge),),
        only=(axis,) if axis else (),
        seed=seed,
        device=device,
    )
    return run_calibrate(
        config, bad=str(bad), answers=answers, audits=audits, shares=shares,
        instrument=instrument, oracle=oracle, progress=progress,
    )  # fmt: skip


def run_calibrate(
    config: AuditConfig,
    *,
    bad: str,
    answers: int | None = None,
    audits: int = 1000,
    shares: Sequence[float] = SHARES,
    instrument: Instrument | None = None,
    oracle: Judge | JointJudge | None = None,
    progress: Progress | None = None,
) -> SpikeIn:
    """Do what `calibrate` does, with an audit's settings; the other arguments are as there.

    Raises:
        SpilloverError: as `calibrate`.
    """
    started = time.monotonic()
    base = describe_named(config, _checked_base(config, audits), name="base")
    spender = _spender(config, bad)
    progress = spender.watch(progress)
    with Study(config.study) as study:
        panel = [describe_judge(config, name) for name in config.judge]
        judges = seated(panel, study, spender, progress)
        tools = instrument or choose_instrument(config, base, (), (), judges=judges)
        tools = with_calibration(with_limits(tools, config), config.calibration)
        if tools.calibration is not None:
            judge_bounds(tools.calibration)  # now: asking takes long
        made = bench(tools, study, config.seed, spender, Pace(progress))
        size = _size(made, answers)
        own = made.base(base, size)
        known = _known(made, bad, size, oracle, config)
        notes = (*known.notes, *check_cover(made.plan, known))
        _check_shares(shares, known.covered, len(made.plan.questions))
        found = resample_audits(
            made.plan.axis,
            own,
            known.outcomes,
            shares=shares,
            audits=audits,
            judge=bounds_of(tools, made.plan.axis),
            judgements=len(judge_parts(made.judge)),
            seed=config.seed,
            tell=None if progress is None else _tell(progress),
        )
        result = _result(made, base, own, known, found, notes=notes)
        result = result.model_copy(update={"seconds": round(time.monotonic() - started, 3)})
        keep_spike_in(study.path, result)
    return result


def _checked_base(config: AuditConfig, audits: int) -> str:
    """Return the base's name, once the settings are known to make sense."""
    if audits < LEAST_AUDITS:
        raise ConfigError(f"{audits} audits are too few for a share: at least {LEAST_AUDITS}")
    if config.cascade:
        raise ConfigError(
            "a cascade can't be calibrated by spike-in, whose resampled audits draw no sample for the"
            " strong judge: leave out cascade, and give one judge"
        )
    if len(config.judge) > 1:
        raise ConfigError(
            f"{len(config.judge)} judges: give one, since one is calibrated with at a time"
        )
    if config.base is None:
        raise ConfigError("nothing to calibrate on: give the base model")
    return config.base


def _is_file(bad: str) -> bool:
    return names_known(bad) and not bad.startswith("script:") and not Path(bad).is_dir()


def _spender(config: AuditConfig, bad: str) -> Spender:
    return make_spender(
        (config.base, None if _is_file(bad) else bad, *config.judge),
        max_calls=config.max_calls,
        max_cost=config.max_cost,
        prices=config.prices,
        connections=config.connections,
    )


def _size(made: Bench, answers: int | None) -> int:
    least = made.plan.axis.thresholds.n_base
    if answers is not None and answers < least:
        raise ConfigError(
            f"{answers:,} base answers are fewer than an audit's base sample of {least:,}: ask that"
            " many or more"
        )
    return answers or least


def _known(
    made: Bench,
    bad: str,
    size: int,
    oracle: Judge | JointJudge | None,
    config: AuditConfig,
) -> KnownBad:
    if _is_file(bad):
        return made.bad_file(Path(bad))
    if oracle is None and made.plan.instrument.simulated:
        oracle = made.judge  # exact: the toy world knows every reply it can give
    return made.bad_target(describe_named(config, bad), size, oracle)


def _check_shares(shares: Sequence[float], covered: int, questions: int) -> None:
    most = covered / questions
    for share in shares:
        if not 0 <= share <= most:
            raise ConfigError(
                f"a share of {share:g} is not possible: 0 to {most:.3g}, as {covered} of"
                f" {questions} questions have known-bad answers"
            )


def _tell(progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress("resampling audits", done, total)


def _result(
    made: Bench,
    base: TargetSpec,
    own: Sequence[Outcome],
    bad: KnownBad,
    found: Resampled,
    *,
    notes: tuple[str, ...],
) -> SpikeIn:
    axis = made.plan.axis
    judged = Counter(outcome.settled_bin for outcome in bad.outcomes)
    events, known = judged[Bin.MISALIGNED], judged.total() - judged[Bin.MISSING]
    bounds = clopper_pearson(events, known, error=0.025)
    return SpikeIn(
        key=spike_key(made.plan, base, made.judge),
        axis=axis,
        judge=made.judge.id,
        base=base.name,
        bad=bad.name,
        known_by=bad.known_by,
        questions=len(made.plan.questions),
        covered=bad.covered,
        base_bins=_counts(own),
        bad_bins=_counts(bad.outcomes),
        sensitivity=events / known if known else None,
        sensitivity_interval=(bounds.low, bounds.high) if known else None,
        p0=found.p0,
        p1=found.p1,
        paired=found.paired,
        base_answers=axis.thresholds.n_base,
        judgements_per_answer=len(judge_parts(made.judge)),
        points=found.points,
        seed=made.plan.seed,
        simulated=made.plan.instrument.simulated,
        notes=notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    bins = Counter(outcome.settled_bin for outcome in outcomes)
    return {b.value: bins[b] for b in Bin if bins[b]}
