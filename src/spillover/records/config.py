"""What an audit is asked to do: the content of ``audit.yaml``, and the options of ``spillover audit``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spillover.records.asks import StopText
from spillover.records.base import Record
from spillover.records.targets import Dtype, Quantize, TemplateArgs

JudgeMode = Literal["auto", "expected", "scored", "sampled"]


class AuditConfig(Record):
    """Everything that one audit needs to know, by name; nothing is opened yet.

    A target or control is a model folder, a fine-tune or adapter folder, ``toy:NAME``,
    ``script:FILE``, or training rows (a file, or ``hf:OWNER/NAME``), which are trained on first.

    Attributes:
        target: what to audit; None with ``data`` is a fine-tune of ``base`` on ``data``.
        base: the model that the target was made from; None reads it from the adapter.
        data: the rows that the target was, or is to be, trained on.
        controls: name -> control.
        study: folder that keeps the answers.
        out: folder for the report; the study's by default.
        recipe: name of the preset for fine-tunes that are made here; by default ``toy`` on a
            base of the toy world, else ``default``.
        seed: of fine-tunes made here, and of the asks.
        questions: folder with questions of one's own beside the library's, or a published YAML.
        axes: folder with axes of one's own.
        system: a system prompt for target, base and controls, on every question that brings none
            of its own; judges get none.
        max_tokens: the longest answer, in place of what each kind of question has.
        stop: texts before the first of which an answer ends. Neither holds for scored replies.
        chat_template: file with a chat template in place of the local models' own, judges' aside.
        template_args: what their chat template is told by name (``enable_thinking: false``).
        only: ids of the axes to measure; none: all that apply.
        judge: names of models that judge free-form answers; the first one's judgements count.
        judge_mode: how they judge: ``expected`` (from the likeliest first tokens), ``scored``
            (every number scored as a reply; local models), ``sampled`` (median of a few replies),
            or ``auto``: scored for local models, else expected.
        cascade: of two judges the first reads all answers on the axis that decides, the second
            what the first calls the event.
        cascade_sample: share of the first one's negatives, 0-1, that the second reads as well; by
            default a third, and none with a calibration.
        calibration: file of `spillover judge calibrate`; rates by its judge are corrected.
        rubrics: folder with rubrics of one's own beside the library's.
        max_calls: most calls to models behind an API, retries among them; they need it.
        max_cost: most US dollars that those calls, and training over an API, may cost.
        prices: file with prices of one's own, which go before the package's.
        connections: calls to one API at a time.
        skip_bad: leave out training rows that can't be used, and say how many.
        device: ``auto``, ``cpu``, ``cuda``, ..., or ``auto-map``: spread over all GPUs.
        dtype: number type of the local models that are asked, judges among them; by default that
            of `describe_target`. How fine-tunes are trained stands in their recipe.
        quantize: ``4bit`` loads those models in 4 bits.
        trust_remote_code: run the Python files that come with a local model, where it has any.
    """

    target: str | None = None
    base: str | None = None
    data: str | None = None
    controls: dict[str, str] = Field(default_factory=dict[str, str])
    study: str = "spillover-study"
    out: str | None = None
    recipe: str | None = None
    seed: int = 0
    questions: str | None = None
    axes: str | None = None
    system: str | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    stop: tuple[StopText, ...] = ()
    chat_template: str | None = None
    template_args: TemplateArgs = Field(default_factory=dict[str, bool | int | float | str | None])
    only: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    judge_mode: JudgeMode = "auto"
    cascade: bool = False
    cascade_sample: float | None = None
    calibration: str | None = None
    rubrics: str | None = None
    max_calls: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)
    prices: str | None = None
    connections: int = Field(default=10, ge=1)
    skip_bad: bool = False
    device: str = "auto"
    dtype: Dtype | None = None
    quantize: Quantize | None = None
    trust_remote_code: bool = False
