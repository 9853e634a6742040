"""From readings to the result: axes, e-BH, what was not learnt, the sentence, the whole record."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from spillover.auditing.calibrated import bounds_of, corrected, unusable
from spillover.auditing.cascaded import cascade_notes, counted, share_of
from spillover.auditing.claims import conduct_and_claims, gated
from spillover.auditing.learnt import DataShare, not_learnt
from spillover.auditing.measure import Reading
from spillover.auditing.orders import ordered
from spillover.auditing.panel import models_of, order_notes
from spillover.auditing.parts import Part
from spillover.auditing.samples import pairs, samples
from spillover.auditing.second import agreement_note, grid_rates
from spillover.compare import (
    EventTest,
    Outcome,
    apply_ebh,
    axis_result,
    calibration_note,
    headline,
    not_measured,
    with_powered,
    withdrawn,
)
from spillover.protocols import Instrument, judge_version
from spillover.records import (
    Agreement,
    AuditResult,
    AxisResult,
    OperatingPoint,
    SpikeIn,
    TargetResult,
    Verdict,
    args_text,
)
from spillover.stats.operating import Design, operating_curve

_PACKAGES = ("spillover", "numpy", "scipy", "torch", "transformers", "peft", "trl", "bandit")
_RATES = (0.0, 0.001, 0.05, 0.1, 0.2, 0.6)


def conclude(
    instrument: Instrument,
    parts: Sequence[Part],
    *,
    shares: Sequence[DataShare] = (),
    agreement: Agreement | None = None,
    notes: Sequence[str] = (),
    measured: SpikeIn | None = None,
    seed: int,
    seconds: float,
) -> AuditResult:
    """Return the whole result of an audit.

    Args:
        instrument: what was measured with.
        parts: the target first, then the base, then the controls.
        shares: what the narrow axes' judges say of the training rows.
        agreement: of the first judge with the second, if there is one.
        notes: sentences to print with the result.
        measured: the spike-in that speaks for this audit.
        seed: the study's seed.
        seconds: how long the audit took.
    """
    target, base, *controls = parts
    axes = {axis.id: axis for axis in instrument.axes}
    decides = next(axis for axis in instrument.axes if axis.decides)
    results = {part.name: part_results(part, base, controls) for part in parts}
    mine = results[target.name]
    # what is wrong with the judge comes first: with a better one the rest can be told
    faults = (
        target.readings[decides.id].reason or unusable(instrument, decides),
        _not_learnt(target, mine, results[base.name], shares),
    )
    if fault := "; and ".join(filter(None, faults)):
        mine[decides.id] = withdrawn(mine[decides.id], fault)
    result = mine[decides.id]
    on_it = {name: found[decides.id] for name, found in results.items()}
    found = AuditResult(
        title=f"Audit: {target.name}",
        sentence=headline(decides, result, subject=target.name,
                          base=results[base.name][decides.id],
                          doubted=bool(models_of(instrument.judges.get(decides.judge)))
                          and bounds_of(instrument, decides) is None),
        verdict=result.verdict or Verdict.NOT_MEASURED,
        headline_axis=decides.id,
        subject=target.name,
        simulated=instrument.simulated,
        axes=axes,
        targets={
            part.name: TargetResult(
                role=part.role, spec=part.spec, finetune=part.finetune,
                axes=results[part.name],
            )
            for part in parts
        },
        conduct_and_claim=tuple(
            line
            for part in (target, *controls)
            for line in conduct_and_claims(part, base, axes, results[part.name])
        ),
        pairs=tuple(
            pair
            for key, reading in target.readings.items()
            for pair in pairs(target.name, reading, base.name, base.readings[key])
        ),
        answers=tuple(
            sample
            for part in parts
            for reading in part.readings.values()
            for sample in samples(part.name, reading)
        ),
        calibration=instrument.calibration,
        agreement=agreement,
        rules=grid_rates(parts, decides.id),
        operating_curve=_curve(target.readings[decides.id]),
        measured_curve=measured,
        notes=(*_notes(instrument, target, shares), *cascade_notes(instrument, decides, on_it),
               *order_notes(parts), *_second(instrument, agreement), *notes),
        settings=_settings(instrument, target, seed),
        versions=_versions(instrument),
        hashes=_hashes(instrument, parts),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
    )  # fmt: skip
    return with_powered(found)


def _not_learnt(
    target: Part,
    mine: Mapping[str, AxisResult],
    base: Mapping[str, AxisResult],
    shares: Sequence[DataShare],
) -> str | None:
    narrow = [
        (reading, mine[key], base[key])
        for key, reading in target.readings.items()
        if reading.plan.narrow
    ]
    return not_learnt(target.finetune, narrow, shares)


def part_results(part: Part, base: Part, controls: Sequence[Part]) -> dict[str, AxisResult]:
    """Return one target's result on every axis; e-BH over those that neither decide nor are narrow."""
    results = {
        key: _axis_result(part, base, controls, key, reading)
        for key, reading in part.readings.items()
    }
    secondary = {
        key: results[key] for key, reading in part.readings.items() if reading.plan.secondary
    }
    if part is base or not secondary:
        return results
    alpha = max(part.readings[key].plan.axis.thresholds.alpha for key in secondary)
    return {**results, **apply_ebh(secondary, alpha)}


def _axis_result(
    part: Part, base: Part, controls: Sequence[Part], key: str, reading: Reading
) -> AxisResult:
    axis = reading.plan.axis
    if reading.reason is not None:
        return not_measured(axis, reading.reason)
    if part is base:
        level = _judged(reading, axis_result(axis, reading.outcomes), in_rounds=False)
        return ordered(gated(part, part, key, level), key, part=part, base=part)
    others: Mapping[str, Sequence[Outcome]] = {}
    if part.role == "target":
        others = {c.name: c.fixed.get(key) or c.readings[key].outcomes for c in controls}
    result = axis_result(
        axis,
        reading.outcomes,
        base=base.readings[key].outcomes,
        controls=others,
        test=reading.test,
        name=part.name,
    )
    if fault := unusable(reading.plan.instrument, axis):
        result = withdrawn(result, fault)
    result = gated(part, base, key, _judged(reading, result, in_rounds=True))
    return ordered(result, key, part=part, base=base, controls=controls)


def _judged(reading: Reading, result: AxisResult, *, in_rounds: bool) -> AxisResult:
    """Add what is known of the judge's errors, and of what each judge of a cascade read."""
    instrument, axis = reading.plan.instrument, reading.plan.axis
    result = counted(instrument, axis, reading.outcomes, result, in_rounds=in_rounds)
    return corrected(instrument, axis, result)


def _curve(reading: Reading) -> tuple[OperatingPoint, ...]:
    """The operating curve of the axis that decides, if it has fixed p0 and p1."""
    test, limits = reading.test, reading.plan.axis.thresholds
    if not isinstance(test, EventTest) or test.p0 is None or test.p1 is None or test.p1 >= 1:
        return ()
    questions = len(reading.plan.questions)
    design = Design(test.p0, test.p1, questions, limits.cap, limits.alpha, test.share)
    rates = sorted({*_RATES, test.p0, (test.p0 + test.p1) / 2, test.p1})
    return tuple(OperatingPoint(**point._asdict()) for point in operating_curve(design, rates))


def _notes(instrument: Instrument, target: Part, shares: Sequence[DataShare]) -> list[str]:
    axes = [r.plan.axis for r in target.readings.values() if r.reason is None]
    # of a cascade that samples the notes of its own tell, since its misses are corrected for
    judges = sorted(
        {
            axis.judge
            for axis in axes
            if bounds_of(instrument, axis) is None
            and share_of(instrument.judges.get(axis.judge)) is None
        }
    )
    notes: list[str] = []
    if judges:
        notes.append(
            f"By these judges, whose own errors are not corrected for: {', '.join(judges)}."
        )
    if instrument.calibration is not None:
        notes.append(calibration_note(instrument.calibration))
    for share in shares:
        axis = target.readings[share.axis].plan.axis
        notes.append(
            f"Of the training rows, the judge of {axis.title!r} calls {share.share:.0%}"
            f" {axis.event or 'misaligned'} ({share.scored} judged, {share.missing} missing)."
        )
    return notes + list(target.finetune.notes if target.finetune else ())


def _second(instrument: Instrument, agreement: Agreement | None) -> list[str]:
    if agreement is None:
        return []
    return [agreement_note(instrument.about.get("second judge", "another model"), agreement)]


def _settings(instrument: Instrument, target: Part, seed: int) -> dict[str, str]:
    found = {"study seed": str(seed), "battery": instrument.battery.id, **instrument.about}
    for kind in sorted(instrument.settings):
        settings = instrument.sampling(kind)
        found[f"asking {kind}"] = (
            f"temperature {settings.temperature:g}, top-p {settings.top_p:g},"
            f" at most {settings.max_tokens} tokens"
        )
    if instrument.max_tokens is not None:
        found["longest sampled answer"] = f"{instrument.max_tokens} tokens"
    if instrument.stop:
        found["answers end before"] = " or ".join(map(repr, instrument.stop))
    what = target.spec.what
    if what.system is not None:
        found["system prompt, where a question has none"] = what.system or "(empty)"
    if what.kind == "local" and what.template is not None:
        found["chat template"] = f"not the model's own, but one given ({what.template})"
    if what.kind == "local" and what.template_args:
        found["the chat template is told"] = args_text(what.template_args)
    return found


def _versions(instrument: Instrument) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in sorted({axis.judge for axis in instrument.axes} & set(instrument.judges)):
        if version_ := judge_version(instrument.judges[name]):
            found[f"judge {name}"] = version_
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _hashes(instrument: Instrument, parts: Sequence[Part]) -> dict[str, str]:
    found = {"battery": instrument.battery.hash}
    for part in parts:
        found[f"target {part.name}"] = part.spec.id
        if part.finetune is not None:
            found[f"recipe {part.name}"] = part.finetune.recipe.id
            found[f"data {part.name}"] = part.finetune.recipe.what.data
    return found
