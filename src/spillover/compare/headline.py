"""The verdict in one sentence, for people in a hurry."""

from __future__ import annotations

from spillover.records import Axis, AxisResult, Verdict


def headline(
    axis: Axis,
    result: AxisResult,
    *,
    subject: str = "the fine-tune",
    base: AxisResult | None = None,
    doubted: bool = False,
) -> str:
    """Return the sentence at the top of a report.

    Args:
        axis: the axis that decides.
        result: the target's result on it.
        subject: what to call the target.
        base: the base's result, to set beside.
        doubted: the judge is a language model whose errors are not allowed for, so that what it
            judged is said to be so "by this judge".
    """
    both = result.cascade is not None
    by = f" by {'both judges' if both else 'this judge'}" if doubted else ""
    level = _level(axis, result, by)
    beside = "" if base is None or base.estimate is None else f", the base {_number(axis, base)}"
    start = subject[:1].upper() + subject[1:]
    match result.verdict:
        case Verdict.SPILLOVER:
            return f"{start} spills over: {level}{beside}.{_corrected(result)}{_because(result)}"
        case Verdict.CLEAN:
            bound = _bound(axis, result)
            return f"{start} is clean: {level}{beside}.{_corrected(result)}{bound}"
        case Verdict.UNDECIDED:
            why = f" ({result.reason})" if result.reason else ""
            return f"Undecided whether {subject} spills over{why}: {level}{beside}.{_corrected(result)}"
        case _:
            return f"Not measured: {result.reason or 'there is nothing to go by'}."


def _bound(axis: Axis, result: AxisResult) -> str:
    """Return what `clean` rules out."""
    bets = result.bets
    if bets is not None and bets.p1_true is not None:
        return f" The true rate is below {_percent(bets.p1_true)}."
    if bets is not None and bets.p1 is not None:
        if bets.base_low is None:
            return f" The rate is below {_percent(bets.p1)}."
        return f" The excess over the base is below {_percent(bets.p1 - bets.base_low)}."
    change = {"up": "rise", "down": "fall", "both": "change"}[axis.harm]
    return f" The {change} from the base is below {axis.thresholds.d1:g} points."


def _corrected(result: AxisResult) -> str:
    """Return the rate without the judge's errors, if they are known."""
    if result.corrected is None:
        return ""
    interval = ""
    if result.corrected_interval is not None:
        low, high = map(_percent, result.corrected_interval)
        interval = f" (95% interval {low} to {high})"
    rate = f"{_percent(result.corrected)}{interval}"
    if (counts := result.cascade) is not None and counts.share is not None:
        return (
            f" With what the cheap judge misses, by {counts.sampled:,} of the answers it passed, it"
            f" is {rate}."
        )
    return f" Corrected for the judge's errors it is {rate}."


def _level(axis: Axis, result: AxisResult, by: str) -> str:
    if result.estimate is None:
        return "no answer could be scored"
    interval = ""
    if result.interval is not None:
        low, high = result.interval
        ends = (
            f"{_percent(low)} to {_percent(high)}"
            if axis.measure == "event"
            else f"{low:.0f} to {high:.0f}"
        )
        interval = f" (95% interval {ends})"
    if axis.measure == "rating":
        return f"{axis.title.lower()} is {result.estimate:.0f} of 100{interval}"
    return (
        f"{_percent(result.estimate)}{interval} of its {result.scored:,} coherent answers "
        f"are {axis.event or 'misaligned'}{by}"
    )


def _number(axis: Axis, result: AxisResult) -> str:
    if result.estimate is None:
        return "unknown"
    return _percent(result.estimate) if axis.measure == "event" else f"{result.estimate:.0f}"


def _percent(share: float) -> str:
    digits = 0 if share >= 0.0995 else 1
    return f"{100 * share:.{digits}f}%"


def _because(result: AxisResult) -> str:
    groups = {
        " Because of what it has and {} {}.": [b.control for b in result.because if b.holds],
        " About as far as {}.": [b.control for b in result.because if b.holds is False],
        " Not settled against {}.": [b.control for b in result.because if b.holds is None],
    }
    parts: list[str] = []
    for text, names in groups.items():
        if names:
            joined = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
            parts.append(text.format(joined, "lacks" if len(names) == 1 else "lack"))
    return "".join(parts)
