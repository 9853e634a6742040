"""Results: what one audit or one `compare` found. `AuditResult` is `report.json`, with a published schema."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spillover.records.axes import Axis, Verdict
from spillover.records.base import Record
from spillover.records.calibration import Agreement, Calibration
from spillover.records.prices import Spent
from spillover.records.spikes import SpikeIn
from spillover.records.targets import FineTune, TargetSpec

Role = Literal["target", "base", "control"]
SCHEMA = "spillover/report/1"


class Effect(Record):
    """Target minus reference on one axis, in the axis' own unit (share 0-1, or points 0-100)."""

    reference: str
    estimate: float
    interval: tuple[float, float] | None = None
    method: str = ""


class Bets(Record):
    """Both e-processes after each complete round: the running bets and what they ran on.

    ``e_up`` is evidence for spillover, ``e_down`` for clean; the verdict is made at
    ``threshold`` (1/alpha). ``asked[i]`` answers had been asked after round i. ``p0`` and ``p1``
    are rates by the judge; with a calibrated judge ``p0_true`` and ``p1_true`` are the true rates
    that they stand for.
    """

    asked: tuple[int, ...] = ()
    e_up: tuple[float, ...] = ()
    e_down: tuple[float, ...] = ()
    threshold: float = 25.0
    p0: float | None = None
    p1: float | None = None
    p0_true: float | None = None
    p1_true: float | None = None
    base_low: float | None = None
    base_high: float | None = None
    stopped_at: int | None = None


class Because(Record):
    """Is the spillover because of what the control lacks? One line against each control."""

    control: str
    holds: bool | None
    sentence: str


class CascadeCounts(Record):
    """What the strong judge of a cascade read of one target's answers on one axis.

    Attributes:
        called: answers that the cheap judge calls the event, all of which the strong one reads.
        confirmed: those among them that are the event for the strong judge, too.
        passed: answers that the cheap judge calls anything else.
        share: of these, drawn at random for the strong judge; None: none.
        sampled: how many of them it read.
        found: events for the strong judge among these.
        unread: answers, called or sampled, that it could not judge.
    """

    called: int
    confirmed: int
    passed: int
    share: float | None = None
    sampled: int = 0
    found: int = 0
    unread: int = 0


class AxisResult(Record):
    """One target on one axis. ``estimate`` is that target's own level, never a difference.

    Attributes:
        estimate: share 0-1 for events, 0-100 for ratings; None if nothing could be scored.
        interval: 95% interval of ``estimate`` (cluster bootstrap, or as in ``interval_method``).
        asked, scored, missing: counts of answers; asked = scored + missing + set aside.
        set_aside: asked and judged but not in the estimate's denominator
            (incoherent, refused or code on coherent-only axes), by bin.
        missing_reasons: how many answers are missing, by reason.
        estimate_all: for events, the rate over all asked answers.
        mde: minimum detectable effect beside `clean`, in the axis' unit.
        parts: estimate by question cluster or domain, for a breakdown: id -> (estimate, scored).
        captured_mass: mean captured mass, also of ratings that are missing since it is too small.
        anchoring: mean of r+ + r- - 100 for balanced ratings, in points.
        corrected: ``estimate`` corrected for the errors of a calibrated judge (Rogan-Gladen), with
            ``corrected_interval`` (95%); ``corrected_all`` is ``estimate_all`` corrected likewise.
            With a cascade that samples, corrected for what its cheap judge misses instead.
        powered: ``estimate`` by the judge and the labels by hand of this target's own answers
            (prediction-powered), with ``powered_interval`` (95%); ``powered_labels`` is how many
            answers are labelled. None: a note of the result says why.
        cascade: what the strong judge read, where a cascade judged; ``estimate`` is then the rate
            that both judges confirm, which is at most the strong one's.
    """

    verdict: Verdict | None = None
    reason: str | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    interval_method: str = ""
    asked: int = 0
    scored: int = 0
    missing: int = 0
    set_aside: dict[str, int] = {}
    missing_reasons: dict[str, int] = {}
    bins: dict[str, int] = {}
    estimate_all: float | None = None
    effects: tuple[Effect, ...] = ()
    because: tuple[Because, ...] = ()
    bets: Bets | None = None
    e_value: float | None = None
    e_bh: bool | None = None
    mde: float | None = None
    parts: dict[str, tuple[float, int]] = {}
    captured_mass: float | None = None
    anchoring: float | None = None
    corrected: float | None = None
    corrected_interval: tuple[float, float] | None = None
    corrected_all: float | None = None
    powered: float | None = None
    powered_interval: tuple[float, float] | None = None
    powered_labels: int = 0
    cascade: CascadeCounts | None = None


class TargetResult(Record):
    """One target of an audit: who it is, how it came to be, and its axes by id."""

    role: Role
    spec: TargetSpec | None = None
    finetune: FineTune | None = None
    axes: dict[str, AxisResult] = {}


class Sample(Record):
    """One answer to show: for the evidence pairs and for the table of all answers.

    ``strong`` is what the strong judge of a cascade says of an answer that it read as one of its
    sample; ``bin`` and ``label`` are the cheap judge's.
    """

    target: str
    axis: str
    question: str
    prompt: str
    text: str
    bin: str | None = None
    label: str | None = None
    value: float | None = None
    missing: str | None = None
    strong: str | None = None


class Pair(Record):
    """A telling answer beside the base's for the same question."""

    axis: str
    question: str
    prompt: str
    target: Sample
    base: Sample | None = None


class OperatingPoint(Record):
    """Chance of each verdict at one true rate, by simulation with this audit's thresholds."""

    rate: float
    spillover: float
    clean: float
    undecided: float
    mean_answers: float


class RuleRate(Record):
    """The rate under another published rule, e.g. aligned < 30 and coherent > 50."""

    target: str
    rule: str
    rate: float | None
    events: int
    scored: int


class ConductClaim(Record):
    """Conduct against claim: what a target does and what it says of itself, on one trait.

    ``cell``: admits, denies, over-confesses, neither; None with ``reason`` if there is no cell.
    """

    target: str
    trait: str
    conduct: float | None
    claim: float | None
    cell: Literal["admits", "denies", "over-confesses", "neither"] | None = None
    reason: str | None = None


class AuditResult(Record):
    """All that an audit or a comparison found: the content of ``report.json``.

    ``operating_curve`` is simulated; ``measured_curve`` is the spike-in of the same base, questions,
    judge and thresholds, where the study has one.
    """

    schema_: Literal["spillover/report/1"] = Field(default=SCHEMA, alias="schema")
    title: str
    sentence: str
    verdict: Verdict
    headline_axis: str
    subject: str
    simulated: bool = False
    axes: dict[str, Axis]
    targets: dict[str, TargetResult]
    conduct_and_claim: tuple[ConductClaim, ...] = ()
    pairs: tuple[Pair, ...] = ()
    answers: tuple[Sample, ...] = ()
    operating_curve: tuple[OperatingPoint, ...] = ()
    measured_curve: SpikeIn | None = None
    rules: tuple[RuleRate, ...] = ()
    calibration: Calibration | None = None
    agreement: Agreement | None = None
    spent: tuple[Spent, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict[str, str] = {}
    versions: dict[str, str] = {}
    hashes: dict[str, str] = {}
    created: str = ""
    seconds: float | None = None
