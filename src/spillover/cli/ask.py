"""``spillover ask``: put one question to a target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from spillover.cli.console import emit, emit_json, progress_bars
from spillover.cli.names import arguments, check_text
from spillover.cli.options import (
    ChatTemplate,
    Device,
    Dtype,
    MaxCost,
    Prices,
    Quantize,
    Stop,
    TemplateArg,
    TrustRemoteCode,
)

if TYPE_CHECKING:
    from spillover.records import Answer, Ask, Message


def _share(value: float) -> float:
    if not 0 < value <= 1:  # put so that it also refuses what is not a number
        raise typer.BadParameter(f"{value:g} is not in the range 0<x<=1.")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value:g} is no temperature.")
    return value


def ask(
    target: Annotated[
        str,
        typer.Argument(
            help="Model folder, fine-tune folder, toy:NAME, script:FILE or remote:PROVIDER/MODEL."
        ),
    ],
    question: Annotated[str | None, typer.Argument(help="What to ask.")] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="Ask the library's question of this id instead.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Adapter folder to put on TARGET.")] = None,
    times: Annotated[int, typer.Option("--times", "-n", min=1, help="Number of answers.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, callback=_finite, help="0 is greedy.")] = 1.0,
    top_p: Annotated[
        float,
        typer.Option(callback=_share, help="Nucleus sampling, 0<x<=1."),
    ] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 200,
    stop: Stop = None,
    seed: Annotated[int, typer.Option(help="Seed of the first answer; the next has the next.")] = 0,
    score: Annotated[
        list[str] | None,
        typer.Option(help="Score this reply instead of sampling one; may be given repeatedly."),
    ] = None,
    chat_template: ChatTemplate = None,
    template_arg: TemplateArg = None,
    device: Device = "auto",
    dtype: Dtype = None,
    quantize: Quantize = None,
    trust_remote_code: TrustRemoteCode = False,
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="Most calls to a model behind an API.")
    ] = None,
    max_cost: MaxCost = None,
    prices: Prices = None,
    connections: Annotated[int, typer.Option(min=1, help="Calls to an API at a time.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print answers as JSON.")] = False,
) -> None:
    """Ask a target one question.

    With --id and --times, the question's paraphrases take turns.
    """
    from spillover.auditing.naming import model_path
    from spillover.auditing.spending import make_spender
    from spillover.errors import BudgetError
    from spillover.models.open import describe_target
    from spillover.records import Ask, Settings

    if score and stop:
        raise typer.BadParameter("--stop ends sampled answers, and --score samples none")
    for text in (question, system, *(score or ())):
        check_text(text or "")
    forms = _forms(question, id)
    spec = describe_target(
        model_path(target),
        adapter=adapter,
        dtype=dtype,
        system=system,
        device=device,
        quantize=quantize,
        trust_remote_code=trust_remote_code,
        chat_template=chat_template,
        template_args=arguments(template_arg or []),
    )
    spender = make_spender(
        [target], max_calls=max_calls, max_cost=max_cost, prices=prices, connections=connections
    )
    settings = Settings(
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        continuations=tuple(score or ()),
        stop=tuple(stop or ()),
    )
    asks = [
        Ask(
            question=id or "asked",
            paraphrase=i % len(forms),
            messages=forms[i % len(forms)],
            settings=settings,
            seed=seed + i,
        )
        for i in range(1 if score else times)
    ]
    answers: list[Answer] = []
    unpaid: BudgetError | None = None
    with progress_bars() as progress:
        progress("asking", 0, len(asks))
        try:
            for answer in spender(spec).ask(asks):
                answers.append(answer)
                progress("asking", len(answers), len(asks))
        except BudgetError as error:
            unpaid = error
    _print(sorted(answers, key=lambda answer: answer.ask.seed), asks, as_json=json)
    if unpaid is not None:  # what was paid for is shown first
        raise unpaid


def _forms(question: str | None, id: str | None) -> tuple[tuple[Message, ...], ...]:
    """The conversations to ask with: one, or each paraphrase of a library question."""
    from spillover.records import Message

    if (question is None) == (id is None):
        raise typer.BadParameter("give either a question or --id")
    if id is None:
        return ((Message(role="user", content=question or ""),),)
    from spillover.data import load_questions, pick_questions

    return pick_questions(load_questions(), [id]).questions[0].paraphrases


def _print(answers: list[Answer], asks: list[Ask], *, as_json: bool) -> None:
    if as_json:
        emit_json([answer.model_dump(mode="json") for answer in answers])
        return
    for answer in answers:
        if answer.missing is not None:
            emit(f"(no answer: {answer.missing})")
        elif answer.scores is not None:
            for text, score in zip(asks[0].settings.continuations, answer.scores, strict=True):
                emit(f"{score:8.3f}  {text}")
        else:
            emit(answer.text)
