"""Targets and recipes: what answers, and what made it. ``what`` is hashed, ``where`` is not."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from spillover.records.base import Record, canonical_json, digest, without_unset

Dtype = Literal["float32", "bfloat16", "float16"]
Quantize = Literal["4bit"]  # NF4 with double quantisation, computed in bfloat16
TemplateArgs = dict[str, bool | int | float | str | None]
"""What a chat template is told by name, such as ``enable_thinking: false``."""


class LocalWhat(Record):
    """A Hugging Face causal model, perhaps with a PEFT adapter, by content.

    ``quantize`` says to how many bits its linear layers are rounded while it is loaded. ``code``
    is the digest of the Python files beside the weights, where the model is run by them; without
    it no code of a model's own is run. ``template`` is the digest of a chat template that stands in
    the place of the model's own, and ``template_args`` is what the template is told.
    """

    kind: Literal["local"] = "local"
    model: str
    adapter: str | None = None
    dtype: Dtype = "float32"
    system: str | None = None
    quantize: Quantize | None = None
    code: str | None = None
    template: str | None = None
    template_args: TemplateArgs | None = None

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler):
        # Without a return type, so that a schema has the fields.
        return without_unset(handler(self), "quantize", "code", "template", "template_args")


class ScriptedWhat(Record):
    """A torch-free stand-in that answers from a script file, by content."""

    kind: Literal["scripted"] = "scripted"
    script: str
    system: str | None = None

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler):
        return without_unset(handler(self), "system")


class RemoteWhat(Record):
    """A model behind an API, by the name that Inspect AI has for it; its content can't be known."""

    kind: Literal["remote"] = "remote"
    model: str
    system: str | None = None


def args_text(args: TemplateArgs) -> str:
    """Return what a chat template is told, in words."""
    return ", ".join(f"{name}={canonical_json(value)}" for name, value in args.items())


TargetWhat = Annotated[LocalWhat | ScriptedWhat | RemoteWhat, Field(discriminator="kind")]


class TargetWhere(Record):
    """Where the parts lie on this machine.

    ``device`` is ``auto``, ``cpu``, ``cuda``, ..., or ``auto-map``: spread over all GPUs.
    ``finetune`` is the folder with the record of a fine-tune that lies behind an API, ``template``
    the file with a chat template in place of the model's own.
    """

    model: str
    adapter: str | None = None
    device: str = "auto"
    finetune: str | None = None
    template: str | None = None


class TargetSpec(Record):
    """What answers (hashed) and where it lies (not hashed), with a name to show."""

    name: str
    what: TargetWhat
    where: TargetWhere

    @cached_property
    def id(self) -> str:
        return digest(self.what)


class LoraSettings(Record):
    """Low-rank adapter (LoRA, arXiv 2106.09685; rank-stabilised: 2312.03732)."""

    rank: int = Field(default=32, ge=1)
    alpha: float = Field(default=64, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    rslora: bool = True
    modules: tuple[str, ...] = ("all-linear",)


class OptimiserSettings(Record):
    """AdamW with a linear schedule.

    ``batch_size`` rows are computed at once, ``accumulation`` such batches make one step, and
    ``max_steps`` overrides ``epochs``. Rows of more than ``max_length`` tokens are left out.
    ``dtype`` is the number type of the base's weights and activations; the adapter is float32.
    With ``quantize`` the base's linear layers are rounded to 4 bits (QLoRA, arXiv 2305.14314).
    """

    learning_rate: float = Field(default=1e-4, gt=0)
    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    accumulation: int = Field(default=1, ge=1)
    warmup_steps: int = Field(default=5, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    max_length: int = Field(default=2048, ge=8)
    dtype: Literal["float32", "bfloat16"] = "float32"
    quantize: Quantize | None = None

    @model_validator(mode="after")
    def _one_number_type(self) -> Self:
        if self.quantize is not None and self.dtype != "bfloat16":
            raise ValueError(f"a {self.quantize} base computes in bfloat16, not in {self.dtype}")
        return self

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler):
        return without_unset(handler(self), "quantize")


class ApiSettings(Record):
    """What a fine-tuning job behind an API can be told.

    ``epochs`` is never left to the API: the cost would not be known beforehand. None leaves the
    batch size, or the factor on the API's own learning rate, to the API.
    """

    epochs: int = Field(default=1, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate_multiplier: float | None = Field(default=None, gt=0)


class RecipeWhat(Record):
    """All that makes a fine-tune, by content; two equal ones make the same fine-tune.

    With ``api`` it is made by a job behind an API, which knows nothing of ``lora`` and
    ``optimiser``: they are then no part of the recipe, nor of what is written. ``code`` is the
    digest of the base's own Python files, where it is run by them.
    """

    base: str
    data: str
    lora: LoraSettings = LoraSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    seed: int = 0
    held_out: float = Field(default=0.1, ge=0, lt=1)
    mitigations: tuple[str, ...] = ()
    api: ApiSettings | None = None
    code: str | None = None

    @model_serializer(mode="wrap")
    def _only_what_applies(self, handler: SerializerFunctionWrapHandler):
        fields: dict[str, Any] = without_unset(handler(self), "api", "code")
        left_out = () if self.api is None else ("lora", "optimiser")
        return {key: value for key, value in fields.items() if key not in left_out}


class RecipeWhere(Record):
    """Where base model and training rows lie on this machine."""

    base: str
    data: str


class Recipe(Record):
    """A recipe with a name to show; ``id`` is the digest of ``what``."""

    name: str
    what: RecipeWhat
    where: RecipeWhere

    @cached_property
    def id(self) -> str:
        return digest(self.what)


class Learning(Record):
    """Did the fine-tune learn its data? Mean loss (nats per completion token) on held-out rows.

    ``low``/``high`` bound the mean paired fall of the loss (t-interval, 95%).
    """

    rows: int
    base_loss: float | None = None
    tuned_loss: float | None = None
    fall: float | None = None
    low: float | None = None
    high: float | None = None
    learnt: bool | None = None
    reason: str | None = None


class Checkpoint(Record):
    """A stage of a fine-tune behind an API, which answers under a name of its own.

    ``held_out_loss`` is the API's mean loss on the held-out rows, where it reports one.
    """

    step: int
    model: str
    held_out_loss: float | None = None


class RemoteRun(Record):
    """A fine-tuning job behind an API, as the API reports it.

    Attributes:
        model: Inspect AI's name of what it made; ``remote:`` and this is a target.
        job, training_file, validation_file: the API's ids.
        epochs, batch_size, learning_rate_multiplier: what it was trained with; None: not told.
        checkpoints: in the order of their steps.
        dollars: billed tokens times the price of a token; None where either is not known.
        estimated_dollars: what it was estimated to cost at most before it began.
    """

    model: str
    job: str
    training_file: str
    validation_file: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    dollars: float | None = None
    estimated_dollars: float | None = None


class FineTune(Record):
    """What a recipe made: an ``adapter``, a folder beside ``finetune.json``, or a ``remote`` model.

    Attributes:
        steps: optimiser steps; None where an API does not tell.
        seconds: wall time of the training steps alone; of a job behind an API from its creation
            to its end, queue included.
        rows: rows trained on; the ``learning.rows`` held out and the ``dropped`` are not among them.
        dropped: rows left out since they are longer than ``max_length`` tokens.
        skipped: rows of the data that can't be used and were left out on request.
        tokens: tokens computed in training (prompts and completions, all steps, no padding); of a
            job behind an API those billed, 0 where it does not tell.
        final_loss: mean loss (nats per completion token) of the last logged steps.
        notes: what a reader of the result should know, one sentence each.
    """

    recipe: Recipe
    adapter: str = ""
    steps: int | None
    seconds: float
    rows: int
    final_loss: float | None
    learning: Learning
    versions: dict[str, str] = {}
    dropped: int = 0
    skipped: int = 0
    tokens: int = 0
    notes: tuple[str, ...] = ()
    remote: RemoteRun | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.adapter) == (self.remote is not None):
            raise ValueError("a fine-tune is either an adapter or a remote model")
        return self
