"""Frozen records: everything that lies on disk, and nothing that computes."""

from spillover.records.asks import (
    Answer,
    Ask,
    Battery,
    Bin,
    Judgement,
    Message,
    Question,
    QuestionKind,
    Settings,
    TokenTop,
)
from spillover.records.axes import Axis, Selector, Thresholds, Verdict
from spillover.records.base import Record, canonical_json, digest, first_fault
from spillover.records.calibration import Agreement, Calibration, HandLabel, JudgeShare
from spillover.records.config import AuditConfig, JudgeMode
from spillover.records.pace import AxisPace, StudyPace
from spillover.records.prices import Spent, TokenPrice
from spillover.records.probes import Probe, ProbeCount, ProbedPair, ProbeReading, ProbeResult
from spillover.records.results import (
    AuditResult,
    AxisResult,
    Because,
    Bets,
    CascadeCounts,
    ConductClaim,
    Effect,
    OperatingPoint,
    Pair,
    Role,
    RuleRate,
    Sample,
    TargetResult,
)
from spillover.records.rows import Row
from spillover.records.rubrics import Rubric
from spillover.records.spikes import KnownBy, SpikeIn, SpikePoint
from spillover.records.targets import (
    ApiSettings,
    Checkpoint,
    Dtype,
    FineTune,
    Learning,
    LocalWhat,
    LoraSettings,
    OptimiserSettings,
    Quantize,
    Recipe,
    RecipeWhat,
    RecipeWhere,
    RemoteRun,
    RemoteWhat,
    ScriptedWhat,
    TargetSpec,
    TargetWhere,
    TemplateArgs,
    args_text,
)

__all__ = [
    "Agreement", "Answer", "ApiSettings", "Ask", "AuditConfig", "AuditResult", "Axis",
    "AxisPace", "AxisResult", "Battery", "Because", "Bets", "Bin", "Calibration", "CascadeCounts",
    "Checkpoint", "ConductClaim", "Dtype", "Effect", "FineTune", "HandLabel", "JudgeMode", "JudgeShare",
    "Judgement", "KnownBy", "Learning", "LocalWhat", "LoraSettings", "Message",
    "OperatingPoint", "OptimiserSettings", "Pair", "Probe", "ProbeCount", "ProbeReading",
    "ProbeResult", "ProbedPair", "Quantize", "Question", "QuestionKind", "Recipe", "RecipeWhat",
    "RecipeWhere", "Record", "RemoteRun", "RemoteWhat", "Role", "Row", "Rubric", "RuleRate",
    "Sample", "ScriptedWhat", "Selector", "Settings", "Spent", "SpikeIn", "SpikePoint",
    "StudyPace", "TargetResult", "TargetSpec", "TargetWhere", "TemplateArgs", "Thresholds",
    "TokenPrice", "TokenTop", "Verdict", "args_text", "canonical_json", "digest", "first_fault",
]  # fmt: skip
