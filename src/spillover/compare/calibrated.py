"""What a calibrated judge changes: the limits that a verdict is made with, and the rates shown."""

from __future__ import annotations

from typing import NamedTuple

from spillover.errors import ConfigError
from spillover.records import AxisResult, Calibration, JudgeShare
from spillover.stats.prevalence import Share, corrected_rate, true_rate, wilson


class JudgeBounds(NamedTuple):
    """The worst that a judge may be, 0.5% error each: what a verdict must allow for."""

    sensitivity_low: float
    false_positives_high: float


class Limits(NamedTuple):
    """Rates by the judge above which `spillover`, and below which `clean`, is said."""

    p0: float
    p1: float


def judge_fault(calibration: Calibration) -> str | None:
    """Return why a judge can't be used by its own calibration, and the remedy, or None."""
    hits, right = calibration.sensitivity, calibration.specificity
    if hits is None or right is None:
        event, judge = calibration.event, repr(calibration.judge)
        lacking = f"could read no answer that is labelled {event}"
        if hits is not None:
            lacking = f"found none coherent of the answers that are labelled anything but {event}"
        why = ", ".join(f"{number} {reason}" for reason, number in calibration.missing.items())
        return (
            f"judge {judge} {lacking} by hand (missing: {why or 'none'}): try another --judge-mode,"
            " or another judge"
        )
    low, high = hits.bounds[0], 1 - right.bounds[0]
    if low > high:
        return None
    return (
        f"judge {calibration.judge!r} may be no better than chance: its sensitivity is at"
        f" least {low:.1%} and its false-positive rate at most {high:.1%} by"
        f" {calibration.labelled} labels; label more answers, or take another judge"
    )


def judge_bounds(calibration: Calibration) -> JudgeBounds:
    """Return the bounds that a calibration gives.

    Raises:
        ConfigError: by its labels the judge may be no better than chance, or can't read answers.
    """
    fault = judge_fault(calibration)
    hits, right = calibration.sensitivity, calibration.specificity
    if fault is not None or hits is None or right is None:
        raise ConfigError(fault)
    return JudgeBounds(hits.bounds[0], 1 - right.bounds[0])


def judged_limits(p0: float, p1: float, judge: JudgeBounds, *, base_judged: bool) -> Limits:
    """Return the judged rates that stand for the true rates p0 and p1.

    A true rate of p1 or more shows as s p1 at least, so `clean` is held against s p1. A true rate
    of p0 or less shows as p0 + (1 - p0) f at most, so `spillover` is held against that, unless
    p0 is the bound of a base that the same judge read: then f is in it already.

    Args:
        p0: true rate up to which nothing is said to spill over.
        p1: true rate from which nothing is said to be clean.
        judge: lower bound of the sensitivity s, upper bound of the false-positive rate f.
        base_judged: the same judge set p0 by the base's answers.
    """
    raised = p0 if base_judged else p0 + (1 - p0) * judge.false_positives_high
    return Limits(raised, p1 * judge.sensitivity_low)


def check_judge(calibration: Calibration, judge: str, version: str) -> None:
    """Refuse a calibration of another judge, or of another version of its rule.

    Raises:
        ConfigError: it is one; the message names both and the remedy.
    """
    theirs, ours = (calibration.judge, calibration.version), (judge, version)
    if theirs != ours:
        raise ConfigError(
            f"the calibration is of judge {_named(*theirs)}, the answers are judged by"
            f" {_named(*ours)}: measure this judge (judge calibrate --judge MODEL, or label"
            " what it judged), or leave --calibration out"
        )


def with_corrected(result: AxisResult, calibration: Calibration) -> AxisResult:
    """Return the result with its rates corrected for the judge's errors (Rogan-Gladen)."""
    hits, right = calibration.sensitivity, calibration.specificity
    if result.estimate is None or result.scored == 0 or hits is None or right is None:
        return result
    sensitivity = Share(hits.estimate, *hits.interval)
    false_positives = Share(right.estimate, *right.interval).complement
    if sensitivity.low <= false_positives.high:
        return result

    def corrected(rate: float | None) -> float | None:
        if rate is None:
            return None
        return true_rate(rate, sensitivity.estimate, false_positives.estimate)

    ends = result.interval or wilson(result.estimate * result.scored, result.scored)[1:]
    found = corrected_rate(Share(result.estimate, *ends), sensitivity, false_positives)
    return result.model_copy(
        update={
            "corrected": corrected(result.estimate),
            "corrected_interval": (found.low, found.high) if found else None,
            "corrected_all": corrected(result.estimate_all),
        }
    )


def calibration_note(calibration: Calibration) -> str:
    """Return a sentence on what the rates are corrected with."""
    hits, right = calibration.sensitivity, calibration.specificity
    start = f"Judge {calibration.judge} against {calibration.labelled:,} labels by hand"
    if hits is None or right is None or judge_fault(calibration):
        known = f"sensitivity {_span(hits)}, specificity {_span(right)}"
        return f"{start}: {known}. That is not enough for a verdict."
    return (
        f"{start}: sensitivity {_span(hits)}, specificity {_span(right)}. The verdict allows for a sensitivity of"
        f" {hits.bounds[0]:.1%} and false positives of {1 - right.bounds[0]:.2%}; levels and the"
        " operating curve are rates by the judge, corrected ones stand beside."
    )


def _span(share: JudgeShare | None) -> str:
    if share is None:
        return "not known"
    low, high = share.interval
    return f"{share.estimate:.1%} (95% interval {low:.1%} to {high:.1%})"


def _named(judge: str, version: str) -> str:
    return f"{judge!r} version {version!r}" if version else repr(judge)
