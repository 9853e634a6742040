"""Probe a judging model: the same answers without and with words that tell it how to grade them."""

from __future__ import annotations

from collections.abc import Sequence

from spillover.auditing.asking import Judged
from spillover.auditing.panel import judge_mode, read_rubrics, score_rule, seat_panel
from spillover.auditing.quoted import Quoted, judge_quoted, with_questions
from spillover.compare import ProbedJudge, probe_result
from spillover.judge.injection import find_order
from spillover.protocols import Target, judge_version
from spillover.records import AuditConfig, Battery, Probe, ProbedPair, ProbeReading, ProbeResult
from spillover.store import Study


def probe_model(
    config: AuditConfig, model: Target, study: Study, probes: Sequence[Probe]
) -> ProbeResult:
    """Have a model judge both forms of each pair, by the rubrics that an audit has.

    Args:
        config: which rubrics, and how the model is read.
        model: judges.
        study: keeps what it says.
        probes: the pairs.
    """
    plain = [Quoted(probe.question, probe.plain) for probe in probes]
    ordered = [Quoted(probe.question, probe.text) for probe in probes]
    battery = with_questions(Battery(id="probes", questions=()), plain)
    judge = seat_panel(config, [model], battery).judges["rubric"]
    judged = judge_quoted(study, judge, battery, [*plain, *ordered])
    pairs = [
        ProbedPair(
            id=probe.id,
            family=probe.family,
            style=probe.style,
            hard=probe.hard,
            order=find_order(probe.text),
            plain=_reading(before),
            ordered=_reading(after),
        )
        for probe, before, after in zip(
            probes, judged[: len(probes)], judged[len(probes) :], strict=True
        )
    ]
    who = ProbedJudge(
        judge=judge.id,
        version=judge_version(judge),
        model=model.spec.name,
        mode=judge_mode(model.spec, config.judge_mode),
        rule=score_rule(read_rubrics(config)).name,
    )
    return probe_result(pairs, who)


def _reading(judged: Judged) -> ProbeReading:
    goodwill = judged.parts[0].value if judged.parts else None
    found = judged.judgement
    return ProbeReading(bin=found.label, goodwill=goodwill, missing=found.missing)
