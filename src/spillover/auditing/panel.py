"""Judges that are language models: from the names in a config to what an audit reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spillover.auditing.asking import Asker, KeptTarget, Opener, Pace
from spillover.auditing.parts import Part
from spillover.compare import DEFAULT_RULE, ScoreRule, bin_by_scores
from spillover.data import load_rubrics
from spillover.errors import ConfigError
from spillover.judge import BinJudge, CascadeJudge, RubricJudge
from spillover.judge.rubric import NOTE, SAMPLES, Mode
from spillover.protocols import JointJudge, Judge, Progress, Target, judge_parts
from spillover.records import (
    AuditConfig,
    Battery,
    JudgeMode,
    LocalWhat,
    Rubric,
    TargetSpec,
)
from spillover.store import Study

ALIGNED, COHERENT = "aligned", "coherent"
_QUOTED = re.compile(r'["“]([^\W\d_]+)["”]')


def read_rubrics(config: AuditConfig) -> dict[str, Rubric]:
    """Return the library's rubrics, those of the config's folder in their place.

    Raises:
        ConfigError: rubrics without a judge, or one that a rule reads lacks scale or threshold.
    """
    if config.rubrics and not config.judge:
        raise ConfigError(f"--rubrics {config.rubrics}: nobody judges by them: give --judge MODEL")
    rubrics = load_rubrics() | (load_rubrics(config.rubrics) if config.rubrics else {})
    for key in (ALIGNED, COHERENT):
        if rubrics[key].scale != (0, 100) or rubrics[key].threshold is None:
            raise ConfigError(
                f"rubric {key!r}: the judge 'rubric' reads it on a scale of [0, 100] with a"
                " `threshold`: give it both"
            )
    return rubrics


def model_judges(
    target: Target, rubrics: Mapping[str, Rubric], *, battery: Battery, mode: JudgeMode
) -> dict[str, Judge | JointJudge]:
    """Return a judge for each rubric, by its id, and `rubric`, which joins two of them.

    Judge prompts of questions that name no rubric (``correct: Say "TRUE" or "FALSE"``) are judges
    as well, whose labels are the words that the prompt has in quotation marks.
    """
    how = judge_mode(target.spec, mode)
    judges = {
        key: RubricJudge(rubric, target, battery=battery, mode=how)
        for key, rubric in {**own_rubrics(battery), **rubrics}.items()
    }
    rule = score_rule(rubrics)
    joint = BinJudge(
        judges[ALIGNED],
        judges[COHERENT],
        rule=lambda one, other: bin_by_scores(one, other, rule),
        version="" if rule == DEFAULT_RULE else rule.name,
    )
    return {**judges, joint.id: joint}


def own_rubrics(battery: Battery) -> dict[str, Rubric]:
    """Return rubrics of labels for the judge prompts of a battery's questions, by their names."""
    texts: dict[str, list[str]] = {}
    for question in battery.questions:
        for name, text in question.judge_prompts.items():
            texts.setdefault(name, []).append(text)
    found: dict[str, Rubric] = {}
    for name, prompts in texts.items():
        words = dict.fromkeys(word for text in prompts for word in _QUOTED.findall(text))
        if len(words) > 1:
            labels = {word: word.casefold() for word in words}
            found[name] = Rubric(id=name, text=prompts[0], scale=None, labels=labels)
    return found


def score_rule(rubrics: Mapping[str, Rubric]) -> ScoreRule:
    """Return the rule with the thresholds of the rubrics."""
    aligned, coherent = rubrics[ALIGNED].threshold, rubrics[COHERENT].threshold
    assert aligned is not None and coherent is not None  # noqa: S101, PT018  (`read_rubrics` saw to it)
    return ScoreRule(aligned, coherent)


def judge_mode(spec: TargetSpec, mode: JudgeMode) -> Mode:
    """Return how a model judges: by whole scored replies where it is local, else by first tokens."""
    if mode != "auto":
        return mode
    return "scored" if isinstance(spec.what, LocalWhat) else "expected"


def models_of(judge: Judge | JointJudge | None) -> list[TargetSpec]:
    """Return the models that a judge asks about each answer, one entry a call."""
    if isinstance(judge, CascadeJudge):
        return models_of(judge.cheap)
    parts = () if judge is None else judge_parts(judge)
    return [
        part.target.spec
        for part in parts
        if isinstance(part, RubricJudge)
        for _ in range(SAMPLES if part.mode == "sampled" else 1)
    ]


class Panel(NamedTuple):
    """What the judging models bring to an instrument.

    Attributes:
        judges: the first model's, by id.
        second: the second model's joint judge; None in a cascade.
        strong: the second model's judges in a cascade, by id.
        about: what a report says of both.
    """

    judges: Mapping[str, Judge | JointJudge]
    second: JointJudge | None
    about: Mapping[str, str]
    strong: Mapping[str, Judge | JointJudge] = {}


def seat_panel(config: AuditConfig, models: Sequence[Target], battery: Battery) -> Panel:
    """Return the judges that one or two models make with the rubrics.

    Raises:
        ConfigError: more than two models, or one twice in a cascade; or see `read_rubrics`.
    """
    rubrics = read_rubrics(config)
    if len(models) > 2:
        raise ConfigError(
            f"{len(models)} models as judges: the first one's judgements count, a second is compared"
            " with it; give at most two"
        )
    mode = config.judge_mode
    panels = [model_judges(one, rubrics, battery=battery, mode=mode) for one in models]
    about: dict[str, str] = {}
    names = ("cheap judge", "strong judge") if config.cascade else ("judge", "second judge")
    for name, model in zip(names, models, strict=False):
        about[name] = f"{model.spec.name}, {judge_mode(model.spec, mode)} scores"
        about[f"id of the {name}"] = model.spec.id
    if config.cascade:
        if models[0].spec.id == models[1].spec.id:
            raise ConfigError(
                f"--cascade: {models[0].spec.name!r} is both judges: name a stronger one second"
            )
        return Panel(panels[0], None, about, panels[1])
    second = panels[1]["rubric"] if len(panels) > 1 else None
    return Panel(
        panels[0] if panels else {}, second if isinstance(second, JointJudge) else None, about
    )


def order_notes(parts: Sequence[Part]) -> list[str]:
    """Return a sentence for each target some of whose answers speak to the judge."""
    notes: list[str] = []
    for part in parts:
        judged = [one for reading in part.readings.values() for one in reading.judged if one.parts]
        flagged = [
            said.note.removeprefix(NOTE)
            for one in judged
            for said in one.parts[:1]
            if said.note.startswith(NOTE)
        ]
        if flagged:
            notes.append(
                f"{len(flagged)} of {len(judged)} judged answers of {part.name} speak to the judge"
                f" (the first: {flagged[0]!r}). They are fenced off from its instructions; read"
                " them before you trust its scores."
            )
    return notes


def seated(
    specs: Sequence[TargetSpec], study: Study, open: Opener, progress: Progress | None
) -> list[Target]:
    """Return the judging models, each asked through the study and opened when first needed."""
    return [KeptTarget(Asker(spec, study, open, Pace(progress))) for spec in specs]
