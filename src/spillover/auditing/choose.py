"""What to measure with: the toy world's own questions, or the library's that fit the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spillover.auditing.calibrated import unusable
from spillover.auditing.cascaded import check_cascade, with_cascade
from spillover.auditing.measure import no_judge
from spillover.auditing.panel import seat_panel
from spillover.auditing.plan import select
from spillover.auditing.topics import without_topics
from spillover.data import (
    guess_narrow,
    load_axes,
    load_questions,
    load_settings,
    merge_batteries,
    narrow_questions,
    pick_axes,
)
from spillover.errors import ConfigError
from spillover.judge import load_judges
from spillover.protocols import Instrument, Target
from spillover.records import AuditConfig, Axis, Battery, Row, TargetSpec

_HELD_OUT_QUESTIONS = 50


def choose_instrument(
    config: AuditConfig,
    base: TargetSpec,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    *,
    judges: Sequence[Target] = (),
) -> Instrument:
    """Return what to measure with: the toy world's own instrument, or the library's.

    Open questions about what was trained on are left out of either. Of the library's narrow axes
    only those are kept that the training rows should move; held-out rows become questions of
    their own.

    Args:
        config: which axes, and where further questions and axes lie.
        base: a base of the toy world is asked that world's questions.
        rows: the training rows, if known.
        held_out: those of them that were not trained on.
        judges: models that judge by rubrics; the first one's judgements count.

    Raises:
        ConfigError: questions, axes or judges of one's own for a model of the toy world; or broken
            ones.
    """
    check_cascade(config)
    if is_toy(base):
        _no_own_files(config)
        return toy_instrument(Path(base.where.model), only=config.only, rows=rows)
    battery = load_questions()
    if config.questions:
        battery = merge_batteries(battery, load_questions(config.questions))
    axes = _with_own(load_axes(), load_axes(config.axes) if config.axes else ())
    keep: set[str | None] = set(config.only)
    if rows:
        guess = guess_narrow(rows)
        keep.add(guess.axis)
        if guess.kind is not None and held_out:
            keep.add(guess.held_out_axis)
            made = narrow_questions(held_out, _HELD_OUT_QUESTIONS, guess.kind)
            battery = merge_batteries(battery, Battery(id="held_out", questions=made))
    axes = tuple(a for a in axes if a.select.kinds != ("narrow",) or a.id in keep)
    axes = without_topics(_only(axes, config.only), battery, rows)
    panel = seat_panel(config, judges, battery)
    chosen = Instrument(
        battery,
        axes,
        {**load_judges(battery), **panel.judges},
        load_settings(),
        second=panel.second,
        about=panel.about,
    )
    return with_cascade(chosen, config, panel.strong) if config.cascade else chosen


def with_limits(instrument: Instrument, config: AuditConfig) -> Instrument:
    """Return the instrument with the longest answer and the texts that end one, as ``config`` says."""
    return replace(
        instrument,
        max_tokens=config.max_tokens or instrument.max_tokens,
        stop=config.stop or instrument.stop,
    )


def lacking_judge(instrument: Instrument) -> str | None:
    """Return a sentence on the judge that the verdict would need and does not have, or None.

    Nobody brings it, or by its own calibration it can't be used.
    """
    for axis in instrument.axes:
        if not axis.decides:
            continue
        fault = unusable(instrument, axis)
        if axis.judge not in instrument.judges:
            fault = (
                f"{no_judge(axis)}, install a package that brings the judge (an entry point"
                " spillover.judges), pass an instrument in Python, or judge the answers elsewhere"
                " and use `spillover compare`"
            )
        if fault:
            return (
                f"{fault}; this axis decides, so that the verdict will be `not measured`,"
                " whatever else is found"
            )
    return None


def not_asked(config: AuditConfig, instrument: Instrument) -> str | None:
    """Return a sentence on the questions of one's own that no measured axis asks, or None."""
    if not config.questions:
        return None
    asked = {
        q.id for axis in instrument.axes for q in select(axis.select, instrument.battery.questions)
    }
    own = load_questions(config.questions).questions
    left = [question.id for question in own if question.id not in asked]
    if not left:
        return None
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return (
        f"{len(left)} of {len(own)} questions in {config.questions} belong to no axis that is"
        f" measured and are not asked ({', '.join(left[:3])}{more}): an axis file that selects"
        " them asks them (--axes)."
    )


def toy_instrument(
    folder: Path, *, only: Sequence[str] = (), rows: Sequence[Row] = ()
) -> Instrument:
    """Return the toy world's own questions, axes and exact judge for the organism in ``folder``.

    Args:
        folder: of the organism.
        only: ids of the axes to measure; none are all.
        rows: the training rows, if known; open questions about what they are about are left out.
    """
    from spillover.toy import World, world_of
    from spillover.toy.battery import toy_axes, toy_battery, toy_settings
    from spillover.toy.judge import ToyJudge

    battery = toy_battery(World(world_of(folder)))
    judges = {**load_judges(battery), ToyJudge.id: ToyJudge(battery)}
    axes = without_topics(_only(toy_axes(), only), battery, rows)
    return Instrument(battery, axes, judges, toy_settings(), simulated=True)


def is_toy(spec: TargetSpec) -> bool:
    """Whether a model was pretrained on the toy world: its folder says which."""
    metadata = Path(spec.where.model) / "metadata.json"
    return metadata.is_file() and '"world_hash"' in metadata.read_text(encoding="utf-8")


def _no_own_files(config: AuditConfig) -> None:
    given = {
        "--questions": config.questions,
        "--axes": config.axes,
        "--judge": ", ".join(config.judge),
        "--rubrics": config.rubrics,
    }
    for option, value in given.items():
        if value:
            raise ConfigError(
                f"{option} {value}: a model of the toy world can only be asked the toy world's own"
                f" questions, and its own judge knows the truth: leave {option} out"
            )


def _with_own(axes: tuple[Axis, ...], own: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The user's axes replace those of the same id; if one of them decides, no other does."""
    mine = {axis.id for axis in own}
    rest = [axis for axis in axes if axis.id not in mine]
    if any(axis.decides for axis in own):
        rest = [axis.model_copy(update={"decides": False}) for axis in rest]
    return (*rest, *own)


def _only(axes: tuple[Axis, ...], ids: Sequence[str]) -> tuple[Axis, ...]:
    """The wanted axes; where the deciding one is not among them, the first decides."""
    if not ids:
        return axes
    chosen = pick_axes(axes, ids)
    if not any(axis.decides for axis in chosen):
        chosen = (chosen[0].model_copy(update={"decides": True}), *chosen[1:])
    return chosen
