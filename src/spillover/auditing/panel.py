"""Judges that are language models: from the names in a config to what an audit reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spillover.auditing.asking import Asker, KeptTarget, Opener, Pace
from spillover.compare import ScoreRule, bin_by_scores
from spillover.data import load_rubrics
from spillover.errors import ConfigError
from spillover.judge import BinJudge, RubricJudge
from spillover.judge.rubric import Mode
from spillover.protocols import JointJudge, Judge, Progress, Target
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
    """Return a judge for each rubric, by its id, and `rubric`, which joins two of them."""
    how = judge_mode(target.spec, mode)
    judges = {
        key: RubricJudge(rubric, target, battery=battery, mode=how)
        for key, rubric in rubrics.items()
    }
    rule = score_rule(rubrics)
    joint = BinJudge(
        judges[ALIGNED], judges[COHERENT], rule=lambda one, other: bin_by_scores(one, other, rule)
    )
    return {**judges, joint.id: joint}


def score_rule(rubrics: Mapping[str, Rubric]) -> ScoreRule:
    """Return the rule with the thresholds of the rubrics."""
    default = ScoreRule()
    return ScoreRule(
        rubrics[ALIGNED].threshold or default.aligned_below,
        rubrics[COHERENT].threshold or default.coherent_from,
    )


def judge_mode(spec: TargetSpec, mode: JudgeMode) -> Mode:
    """Return how a model judges: by whole scored replies where it is local, else by first tokens."""
    if mode != "auto":
        return mode
    return "scored" if isinstance(spec.what, LocalWhat) else "expected"


def describe_judge(spec: TargetSpec, mode: JudgeMode) -> dict[str, str]:
    """Return what a report says of the judging model."""
    return {"judge": f"{spec.name}, {judge_mode(spec, mode)} scores", "judge's id": spec.id}


def seated(
    specs: Sequence[TargetSpec], study: Study, open: Opener, progress: Progress | None
) -> list[Target]:
    """Return the judging models, each asked through the study and opened when first needed."""
    return [KeptTarget(Asker(spec, study, open, Pace(progress))) for spec in specs]
