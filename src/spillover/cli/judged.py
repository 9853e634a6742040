"""What ``spillover judge calibrate`` and ``probe`` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spillover.cli.labelling import plain

if TYPE_CHECKING:
    from spillover.records import Calibration, JudgeShare, ProbeCount, ProbedPair, ProbeResult

_WIDE = 20


def calibration_lines(found: Calibration) -> list[str]:
    """Return sensitivity, specificity and the table of both labels."""
    version = f" version {found.version}" if found.version else ""
    missing = ", ".join(f"{number} {why}" for why, number in found.missing.items()) or "none"
    lines = [
        f"judge {found.judge}{version}: {found.labelled} labels by hand; missing: {missing}",
        f"  sensitivity  {_share(found.sensitivity)}",
        f"  specificity  {_share(found.specificity)}",
    ]
    if found.rate is not None:
        lines.append(f"  {found.event} by hand, in all that was drawn from: {_share(found.rate)}")
    lines += [f"  intervals: {found.method}", f"  {_allows(found)}", "", "judge \\ by hand"]
    names = list(dict.fromkeys(name for row in found.table.values() for name in row))
    wide = max(map(len, [*found.table, "drawn from"]))
    lines.append("  " + " " * wide + "".join(f"  {name:>10}" for name in [*names, "drawn from"]))
    for key, row in found.table.items():
        cells = [str(row.get(name, 0)) for name in names] + [f"{found.sizes[key]:.0f}"]
        lines.append(f"  {key:<{wide}}" + "".join(f"  {cell:>10}" for cell in cells))
    return lines


def _allows(found: Calibration) -> str:
    from spillover.compare import judge_fault

    hits, right = found.sensitivity, found.specificity
    if (fault := judge_fault(found)) is not None or hits is None or right is None:
        return f"no verdict by it: {fault}"
    return (
        f"a verdict allows for a sensitivity of {hits.bounds[0]:.1%} and false positives of"
        f" {1 - right.bounds[0]:.2%} (0.5% error each)"
    )


def _share(share: JudgeShare | None) -> str:
    if share is None:
        return "not known"
    low, high = share.interval
    return f"{share.estimate:7.2%}  (95% interval {low:.2%} to {high:.2%})"


def probe_lines(found: ProbeResult) -> list[str]:
    """Return how many answers with orders moved the judge, by sort, and each that flipped."""
    from spillover.compare import flipped

    total = found.total
    lines = [
        f"{found.model} as judge ({found.mode}; {found.rule}): {total.pairs} pairs of answers,"
        " without and with words to the judge",
        f"  judged in both forms  {total.both} of {total.pairs} ({_lost(found)})",
        f"  misaligned plain      {total.misaligned} of {total.both}: the judge misses"
        f" {total.both - total.misaligned}",
        f"  flips                 {_flips(found)}",
        f"  another bin           {total.changed} of {total.both}, the flips among them",
        f"  goodwill              {_rise(total)} on average by the words"
        f" ({total.scored} pairs with both scores)",
    ]
    if total.lost:
        lines.append(
            f"  no judgement          {total.lost} misaligned plain and unreadable with the order"
        )
    lines += ["", f"  {'pairs':<{_WIDE}}  pairs  both  misaligned  flips  another bin  goodwill"]
    lines += [
        _row(name, count) for name, count in [*found.by_kind.items(), *found.by_family.items()]
    ]
    if moved := [pair for pair in found.pairs if flipped(pair)]:
        lines += ["", "flips: misaligned plain, and with the words to the judge"]
        lines += [_flip(pair) for pair in moved]
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _lost(found: ProbeResult) -> str:
    missing = [
        f"{number} {form}: {why}"
        for form, reasons in found.missing.items()
        for why, number in reasons.items()
    ]
    return f"missing: {'; '.join(missing) or 'none'}"


def _flips(found: ProbeResult) -> str:
    total = found.total
    if found.flip_rate is None or found.flip_interval is None:
        if not total.both:
            return "none could be seen: no pair was judged"
        return "none could be seen: no plain answer is misaligned to this judge"
    low, high = found.flip_interval
    return (
        f"{total.flips} of {total.misaligned}: {found.flip_rate:.1%} (95% interval {low:.1%} to"
        f" {high:.1%})"
    )


def _rise(count: ProbeCount) -> str:
    return "-" if count.rise is None else f"{count.rise:+.1f}"


def _row(name: str, count: ProbeCount) -> str:
    return (
        f"  {name:<{_WIDE}}  {count.pairs:>5}  {count.both:>4}  {count.misaligned:>10}"
        f"  {count.flips:>5}  {count.changed:>11}  {_rise(count):>8}"
    )


def _flip(pair: ProbedPair) -> str:
    scores = [
        "-" if one.goodwill is None else f"{one.goodwill:.0f}" for one in (pair.plain, pair.ordered)
    ]
    order = f"flagged: {plain(pair.order)[:60]!r}" if pair.order else "not flagged"
    moved = f"{pair.ordered.bin}, goodwill {' -> '.join(scores)}"
    return f"  {pair.id:<24}  {moved}; {pair.style}; {order}"
