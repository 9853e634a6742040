"""A local Hugging Face model, perhaps with an adapter, as a target."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from spillover.errors import ModelError
from spillover.models.chat import STILL_THINKING, Chat
from spillover.models.continuations import Scorer
from spillover.models.load import load
from spillover.models.sampler import Reply, Request, Sampler, SamplerStats
from spillover.records import Answer, Ask, LocalWhat, Message, TargetSpec, TokenTop, digest

_MOST_PROMPTS = 20_000  # remembered conversations


class LocalTarget:
    """Answers with a model on this machine.

    An answer depends on the target's content and the ask alone (the seed is part of the ask), not
    on what is asked with it. An ask's own system message takes the place of the target's.

    Args:
        spec: who this is.
        model: a Hugging Face causal language model in evaluation mode. Its projections are fused
            in place (they stay the same numbers); do not train it.
        tokenizer: with a chat template.
        logprobs: whether answers carry the log-probability of each token.
        rows: most answers at a time; by default as many as memory allows.
    """

    def __init__(
        self,
        spec: TargetSpec,
        model: Any,
        tokenizer: Any,
        *,
        logprobs: bool = False,
        rows: int | None = None,
    ) -> None:
        self.spec = spec
        self.model = model
        self.tokenizer = tokenizer
        self.logprobs = logprobs
        what = spec.what if isinstance(spec.what, LocalWhat) else None
        system, told = (what.system, what.template_args) if what else (None, None)
        self.chat = Chat(tokenizer, system=system, told=told)
        self.stop = self.chat.stop_tokens(model.generation_config, model.config.get_text_config())
        self.sampler = Sampler(model, stop=self.stop, rows=rows)
        text_config = model.config.get_text_config()
        self.context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._prompts: dict[tuple[Message, ...], tuple[int, ...]] = {}
        self._scorers: dict[tuple[str, ...], Scorer] = {}

    @classmethod
    def load(cls, spec: TargetSpec, *, logprobs: bool = False, rows: int | None = None) -> Self:
        """Load what ``spec`` names.

        Raises:
            ModelError: it can't be loaded.
        """
        loaded = load(spec)
        return cls(spec, loaded.model, loaded.tokenizer, logprobs=logprobs, rows=rows)

    @property
    def stats(self) -> SamplerStats:
        """Counts of the sampler so far."""
        return self.sampler.stats

    def ask(self, asks: Sequence[Ask]) -> Iterator[Answer]:
        """Yield one answer an ask, as they finish; one that can't be asked is missing, with why."""
        sampled: list[tuple[Ask, Request]] = []
        scored: dict[tuple[str, ...], list[tuple[Ask, tuple[int, ...]]]] = defaultdict(list)
        for ask in asks:
            try:
                prompt = self.prompt(ask.messages)
                room = self._room(prompt, ask)
            except ModelError as error:
                yield Answer(ask=ask, target=self.spec.id, missing=str(error))
                continue
            if ask.settings.continuations:
                scored[ask.settings.continuations].append((ask, prompt))
            else:
                sampled.append((ask, self._request(ask, prompt, room)))
        for texts, group in scored.items():
            yield from self._score(texts, group)
        for reply in self.sampler.sample([request for _, request in sampled]):
            ask, request = sampled[reply.request]
            yield self._answer(ask, reply, self._tops(request.prompt, ask.settings.top_logprobs))

    def prompt(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """Return the tokens of a conversation up to where the reply begins.

        Raises:
            ModelError: the chat template refuses it, or it has no tokens.
        """
        found = self._prompts.get(messages)
        if found is None:
            found = self.chat.prompt(messages)
            if not found:
                raise ModelError("the chat template makes an empty prompt")
            if len(self._prompts) >= _MOST_PROMPTS:
                self._prompts.clear()
            self._prompts[messages] = found
        return found

    def _room(self, prompt: tuple[int, ...], ask: Ask) -> int:
        """Return how many tokens a reply may have."""
        if self.context is None:
            return ask.settings.max_tokens
        texts = ask.settings.continuations
        need = 1
        if texts:
            need = max(self._scorer(texts).tree.depths)
        room = self.context - len(prompt)
        if room < need:
            # without the prompt's length: equal reasons are counted together
            raise ModelError(
                f"the prompt leaves no room: the model's context is {self.context} tokens"
            )
        return min(ask.settings.max_tokens, room)

    def _request(self, ask: Ask, prompt: tuple[int, ...], room: int) -> Request:
        settings = ask.settings
        # Another target's answers to the same ask are drawn independently of this one's.
        stream = int(digest([self.spec.id, ask.id])[:16], 16)
        return Request(prompt, stream, settings.temperature, settings.top_p, room)

    def _answer(self, ask: Ask, reply: Reply, tops: tuple[TokenTop, ...] | None) -> Answer:
        if reply.finish == "broken":
            return Answer(ask=ask, target=self.spec.id, missing="the model's logits are not finite")
        kept = self.chat.kept(reply.tokens, ask.settings.stop)
        said = self.chat.split(kept.text) if kept else self.chat.spoken(reply.tokens)
        if said.reasoning is not None and not said.text and reply.finish == "length" and not kept:
            return Answer(ask=ask, target=self.spec.id, missing=STILL_THINKING)
        logprobs = reply.logprobs[: kept.sampled if kept else None]
        return Answer(
            ask=ask,
            target=self.spec.id,
            text=said.text,
            reasoning=said.reasoning,
            tokens=len(logprobs),
            finish="stop" if kept else reply.finish,
            logprobs=logprobs if self.logprobs else None,
            tops=None if said.reasoning is not None else tops,  # a thought's beginning is no answer
        )

    def _tops(self, prompt: tuple[int, ...], most: int) -> tuple[TokenTop, ...] | None:
        """The likeliest first tokens of a reply; the prompt's last logits are at hand."""
        if not most:
            return None
        logits = self.sampler.forward.prompts([prompt])[prompt].logits.float()
        best = logits.log_softmax(-1).topk(min(most, logits.shape[-1]))
        pieces = self.chat.pieces(best.indices.tolist())
        return tuple(
            TokenTop(token=piece, logprob=logprob)
            for piece, logprob in zip(pieces, best.values.tolist(), strict=True)
            if math.isfinite(logprob)
        )

    def _score(
        self, texts: tuple[str, ...], group: Sequence[tuple[Ask, tuple[int, ...]]]
    ) -> Iterator[Answer]:
        waiting: dict[tuple[int, ...], list[Ask]] = defaultdict(list)
        for ask, prompt in group:
            waiting[prompt].append(ask)
        prompts = sorted(waiting, key=lambda p: (len(p), p))
        try:
            for prompt, scores in zip(prompts, self._scorer(texts).scores(prompts), strict=True):
                for ask in waiting.pop(prompt):
                    yield self._scored(ask, scores)
        except ModelError as error:
            for asks in waiting.values():
                for ask in asks:
                    yield Answer(ask=ask, target=self.spec.id, missing=str(error))

    def _scored(self, ask: Ask, scores: np.ndarray) -> Answer:
        if np.isnan(scores).any():
            return Answer(ask=ask, target=self.spec.id, missing="the model's logits are not finite")
        return Answer(ask=ask, target=self.spec.id, scores=tuple(scores.tolist()))

    def _scorer(self, texts: tuple[str, ...]) -> Scorer:
        if texts not in self._scorers:
            tokens = self.chat.continuations(texts)
            self._scorers[texts] = Scorer(self.sampler.forward, tokens, self._extends)
        return self._scorers[texts]

    @cached_property
    def _extends(self) -> np.ndarray:
        size = self.model.get_output_embeddings().weight.shape[0]
        return self.chat.extends_word(size)
