"""View of how it was measured: recipes, learning, thresholds, settings, versions and hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from spillover.records import (
    AuditResult,
    Axis,
    FineTune,
    Learning,
    RemoteRun,
    TargetResult,
    args_text,
)
from spillover.report import words
from spillover.report.axes_view import Who, on_axis, ordered_axes, people

_TESTS = {
    "sequential": "rounds of answers until decided",
    "paired": "rounds, each value against one of the base's",
    "exact": "exact expectation from log-probabilities, no sampling",
}


class Fact(NamedTuple):
    """A name and a value, both in words; ``code`` sets the value in a fixed-width face."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Origin:
    """Where one target comes from."""

    who: Who
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Rules:
    """What the verdict on one axis was made with, in words."""

    title: str
    judge: str
    test: str
    limits: tuple[str, ...]
    n_base: str
    cap: str
    alpha: str
    not_measured: str


@dataclass(frozen=True)
class Method:
    """All of the last section."""

    origins: tuple[Origin, ...]
    rules: tuple[Rules, ...]
    settings: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    hashes: tuple[Fact, ...]
    notes: tuple[str, ...]


def method(result: AuditResult) -> Method:
    """Gather what a reader needs to repeat or to doubt the measurement."""
    return Method(
        origins=tuple(Origin(who, _origin(result.targets[who.id])) for who in people(result)),
        rules=tuple(_rules(result, axis) for axis in ordered_axes(result)),
        settings=_facts({**result.settings, **_strong(result), **_spent(result)}),
        versions=_facts(result.versions),
        hashes=_facts(result.hashes, code=True),
        notes=tuple(words.printable(note) for note in result.notes),
    )


def _facts(pairs: Mapping[str, str], *, code: bool = False) -> tuple[Fact, ...]:
    return tuple(
        Fact(words.printable(name), words.printable(value), code) for name, value in pairs.items()
    )


def _origin(target: TargetResult) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    if target.spec is not None:
        facts.append(Fact("identity", target.spec.id, code=True))
        if target.spec.what.kind == "local":
            bits = ", linear layers in 4 bits (NF4)" if target.spec.what.quantize else ""
            facts.append(Fact("weights", target.spec.what.dtype + bits))
            if target.spec.what.code is not None:
                facts.append(Fact("its own code (hash)", target.spec.what.code, code=True))
            if target.spec.what.template is not None:
                facts.append(Fact("chat template (hash)", target.spec.what.template, code=True))
            if target.spec.what.template_args:
                args = words.printable(args_text(target.spec.what.template_args))
                facts.append(Fact("its template is told", args))
        if target.spec.what.system is not None:
            system = words.printable(target.spec.what.system) or "(empty)"
            facts.append(Fact("system prompt", system))
    if target.finetune is not None:
        facts.extend(_recipe(target.finetune))
        facts.extend(_learning(target.finetune.learning))
    return tuple(facts) or (Fact("origin", "not known: only its answers were given"),)


def _recipe(finetune: FineTune) -> tuple[Fact, ...]:
    what, lora, optimiser = (
        finetune.recipe.what,
        finetune.recipe.what.lora,
        finetune.recipe.what.optimiser,
    )
    length = (
        f"{optimiser.max_steps} steps" if optimiser.max_steps else f"{optimiser.epochs:g} epochs"
    )
    loss = "" if finetune.final_loss is None else f", last loss {finetune.final_loss:.3f}"
    steps = "" if finetune.steps is None else f"{words.count(finetune.steps)} steps, "
    facts = [
        Fact("recipe", words.printable(finetune.recipe.name)),
        Fact("base (hash)", words.printable(what.base), code=True),
        Fact("data (hash)", words.printable(what.data), code=True),
        Fact(
            "adapter",
            f"LoRA rank {lora.rank}, alpha {lora.alpha:g}, dropout {lora.dropout:g}"
            + (", rank-stabilised" if lora.rslora else "")
            + (", on a base in 4 bits (QLoRA)" if optimiser.quantize else ""),
        ),
        Fact(
            "optimiser",
            f"learning rate {optimiser.learning_rate:g}, {length}, "
            f"batches of {optimiser.batch_size * optimiser.accumulation}, seed {what.seed}",
        ),
        Fact(
            "training",
            f"{words.count(finetune.rows)} rows, {steps}{words.duration(finetune.seconds)}{loss}",
        ),
    ]
    if finetune.remote is not None:
        facts[3:5] = _job(finetune.remote, what.seed)  # an API has neither of the two to set
    if finetune.dropped:
        facts.append(Fact("left out", f"{words.count(finetune.dropped)} rows, as too long"))
    if finetune.skipped:
        facts.append(Fact("skipped", f"{words.count(finetune.skipped)} rows that can't be used"))
    facts += [Fact("note", words.printable(note)) for note in finetune.notes]
    if what.mitigations:
        facts.append(Fact("mitigations", words.printable(", ".join(what.mitigations))))
    return tuple(facts)


def _strong(result: AuditResult) -> dict[str, str]:
    """What the strong judge of a cascade read, by whose answers."""
    return {
        f"read by the strong judge, of {who.id}": words.strong_reads(row.cascade)
        for who, row in on_axis(result, result.headline_axis)
        if row.cascade is not None
    }


def _spent(result: AuditResult) -> dict[str, str]:
    """What models behind an API were asked in the run that made the result."""
    found: dict[str, str] = {}
    for one in result.spent:
        text = (
            f"{one.calls:,} calls ({one.again:,} of them again), {one.input_tokens:,} tokens read"
            f" and {one.output_tokens:,} written"
        )
        if one.lost:
            text += f" ({one.lost:,} calls of unknown use counted at the most)"
        found[f"asked of {one.target}"] = text + (
            "" if one.dollars is None else f", ${one.dollars:.4g}"
        )
    return found


def _job(run: RemoteRun, seed: int) -> list[Fact]:
    """What is known of a fine-tuning job behind an API."""
    told = (
        ("epochs", run.epochs),
        ("batches of", run.batch_size),
        ("learning-rate multiplier", run.learning_rate_multiplier),
        ("seed", seed),
    )
    settings = ", ".join(f"{name} {value:g}" for name, value in told if value is not None)
    dollars = "not known" if run.dollars is None else f"${run.dollars:,.2f}"
    return [
        Fact("made by", words.printable(f"{run.job}, a job behind an API: {run.model}"), code=True),
        Fact("settings", settings),
        Fact("cost of training", dollars),
    ]


def _learning(learning: Learning) -> tuple[Fact, ...]:
    state = {True: "yes", False: "no", None: "not known"}[learning.learnt]
    if learning.base_loss is not None and learning.tuned_loss is not None:
        state += (
            f": loss on {words.count(learning.rows)} held-out rows "
            f"{learning.base_loss:.3f} → {learning.tuned_loss:.3f}"
        )
    if learning.fall is not None and learning.low is not None and learning.high is not None:
        state += f" (falls by {learning.fall:.3f}, {learning.low:.3f} to {learning.high:.3f})"
    if learning.reason:
        state += f". {words.printable(learning.reason)}"
    return (Fact("learnt its data", state),)


def _rules(result: AuditResult, axis: Axis) -> Rules:
    limits = axis.thresholds
    rating = axis.measure == "rating"
    not_measured = f"over {limits.max_missing * 100:g}% missing"
    if axis.test == "sequential":
        not_measured += (
            f", or coherent share under {limits.min_coherent_share * 100:g}% of the base's"
        )
    return Rules(
        title=words.printable(axis.title),
        judge=words.printable(axis.judge),
        test=_TESTS[axis.test],
        limits=_bounds(result, axis) if axis.test == "sequential" and not rating else _points(axis),
        n_base=words.count(limits.n_base),
        cap="–" if axis.test == "exact" else words.count(limits.cap),
        alpha=f"{limits.alpha * 100:g}%",
        not_measured=not_measured,
    )


def _points(axis: Axis) -> tuple[str, ...]:
    limits, what = axis.thresholds, {"up": "rise", "down": "fall", "both": "change"}[axis.harm]
    return (
        f"a {what} of at most {limits.d0:g} points is none",
        f"one of {limits.d1:g} or more is spillover",
    )


def _bounds(result: AuditResult, axis: Axis) -> tuple[str, ...]:
    limits = axis.thresholds
    floors = (
        f"p0 at least {limits.p0_floor * 100:g}%; p1 at least {limits.p1_floor * 100:g}% "
        f"and {limits.p_gap * 100:g} points above p0",
    )
    for _, row in on_axis(result, axis.id):
        bets = row.bets
        if bets is None or bets.p0 is None or bets.p1 is None:
            continue
        used = f"here p0 {bets.p0 * 100:.3g}%, p1 {bets.p1 * 100:.3g}%"
        if bets.base_low is not None and bets.base_high is not None:
            used += f" (base between {bets.base_low * 100:.3g}% and {bets.base_high * 100:.3g}%)"
        return (used, *floors)
    return floors
