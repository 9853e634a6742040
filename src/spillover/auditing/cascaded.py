"""An audit by a cascade: a cheap judge of all answers, a strong one of what it calls the event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spillover.compare import (
    Outcome,
    called_fault,
    count_cascade,
    measures_events,
    with_missed,
    withdrawn,
)
from spillover.errors import ConfigError
from spillover.judge import CascadeJudge
from spillover.protocols import Instrument, JointJudge, Judge
from spillover.records import AuditConfig, Axis, AxisResult, Bin

CASCADE = "cascade"
"""Id of the cascade, which axes, gold sets and calibrations name."""
SHARE = 1 / 3
"""Of what the cheap judge passes, where nothing else allows for what it misses."""


def check_cascade(config: AuditConfig) -> None:
    """Refuse settings of a cascade that don't fit together.

    Raises:
        ConfigError: not two judges, nothing or two things that allow for misses, a share beyond
            0 to 1 or without a cascade.
    """
    share, count = config.cascade_sample, len(config.judge)
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(
            f"--cascade-sample {share:g}: a share is above 0 and at most 1, or 0 with --calibration"
        )
    if not config.cascade:
        if share is not None:
            raise ConfigError(f"--cascade-sample {share:g}: there is no cascade: add --cascade")
        return
    if count != 2:
        raise ConfigError(
            f"--cascade with {count} judge{'s' * (count != 1)}: a cascade has two, the cheap one"
            " first: --judge CHEAP --judge STRONG"
        )
    if config.calibration is None and share == 0:
        raise ConfigError(
            "--cascade-sample 0 without --calibration: nothing would allow for what the cheap judge"
            " misses; give a share above 0 and at most 1, or --calibration FILE"
        )
    if config.calibration is not None and share:
        raise ConfigError(
            f"--cascade-sample {share:g} with --calibration: the calibration allows for what the"
            " cascade misses already: leave one of them out"
        )


def with_cascade(
    instrument: Instrument, config: AuditConfig, strong: Mapping[str, Judge | JointJudge]
) -> Instrument:
    """Return the instrument with a cascade as the judge of the axis that decides.

    Args:
        instrument: its judges are the cheap model's.
        config: says the share and the seed of its draw.
        strong: the strong model's judges, by id.

    Raises:
        ConfigError: that axis measures no event in rounds, both models do not judge it, or another
            judge has the cascade's id.
    """
    axis = next((axis for axis in instrument.axes if axis.decides), None)
    if axis is None:
        return instrument  # the plans complain of it
    cheap, other = instrument.judges.get(axis.judge), strong.get(axis.judge)
    if cheap is None or other is None or not measures_events(axis):
        raise ConfigError(
            f"--cascade: axis {axis.id!r} ({axis.test} {axis.measure}, harm {axis.harm}, judge"
            f" {axis.judge!r}) can't be judged by a cascade: it takes a sequential event axis with"
            " harm up, whose judge is a model; leave --cascade out"
        )
    if CASCADE in instrument.judges:
        raise ConfigError(f"a judge or rubric has the id {CASCADE!r}, which is taken: rename it")
    share = config.cascade_sample
    if share is None:
        share = SHARE if config.calibration is None else 0.0
    judge = CascadeJudge(
        CASCADE,
        cheap,
        other,
        event=axis.event or Bin.MISALIGNED.value,
        share=share,
        seed=config.seed,
    )
    axes = tuple(
        one.model_copy(update={"judge": CASCADE}) if one.id == axis.id else one
        for one in instrument.axes
    )
    about = {**instrument.about, "cascade": _how(share)}
    return replace(instrument, axes=axes, judges={**instrument.judges, CASCADE: judge}, about=about)


def share_of(judge: Judge | JointJudge | None) -> float | None:
    """Return the share of what a cascade's cheap judge passes that the strong one reads as well."""
    return judge.share if isinstance(judge, CascadeJudge) and judge.share else None


def counted(
    instrument: Instrument,
    axis: Axis,
    outcomes: Sequence[Outcome],
    result: AxisResult,
    *,
    in_rounds: bool,
) -> AxisResult:
    """Return the result of a cascade's axis with what its strong judge read, and the rate by that.

    The rate with what the cheap judge misses stands beside the confirmed one where a share of
    its negatives was read again: ``in_rounds``, never in the base's fixed sample.
    """
    judge = instrument.judges.get(axis.judge)
    if not isinstance(judge, CascadeJudge) or result.asked == 0:
        return result
    result = result.model_copy(
        update={"cascade": count_cascade(outcomes, share_of(judge) if in_rounds else None)}
    )
    lost = called_fault(outcomes, axis.thresholds)
    if lost and result.verdict is not None:
        result = withdrawn(result, lost)
    return with_missed(result, outcomes)


def cascade_notes(
    instrument: Instrument, axis: Axis, results: Mapping[str, AxisResult]
) -> list[str]:
    """Return sentences on what each judge of a cascade read, and what the rates are.

    Args:
        instrument: measured with.
        axis: the one that decides.
        results: of target, base and controls on it, by name.
    """
    judge = instrument.judges.get(axis.judge)
    if not isinstance(judge, CascadeJudge):
        return []
    about = instrument.about
    reads = "; ".join(
        f"of {result.asked:,} answers of {name} {found.called:,} called ({found.confirmed:,}"
        " confirmed)"
        + (f" and {found.sampled:,} sampled ({found.found:,} found)" if found.share else "")
        + (f", of which it could not judge {found.unread:,}" if found.unread else "")
        for name, result in results.items()
        if (found := result.cascade) is not None
    )
    notes = [
        f"A cascade judged {axis.title!r}: {about.get('cheap judge', 'a cheap judge')}, all answers;"
        f" {about.get('strong judge', 'a strong judge')}, what the cheap one calls"
        f" {axis.event or Bin.MISALIGNED.value}{_sampled(judge.share)}. Given to the strong judge:"
        f" {reads}."
    ]
    if judge.share:
        notes.append(
            "Rates are of what both judges call the event, so that they are lower bounds; the"
            " corrected one adds what the strong judge found in its sample, each find counted for"
            " the answers that it stands for (Horvitz-Thompson). `clean` allows for it; the"
            " operating curve, and what is detectable, hold for a cheap judge that misses nothing."
        )
    return notes


def _how(share: float) -> str:
    return f"the strong judge reads what the cheap one calls the event{_sampled(share)}"


def _sampled(share: float) -> str:
    return f", and a random {share:.0%} of all else" if share else ""
