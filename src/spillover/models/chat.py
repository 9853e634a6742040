"""Conversations to tokens and back, for any Hugging Face tokenizer with a chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from spillover.errors import ModelError
from spillover.models.content import parse_template
from spillover.models.stops import Kept, cut_reply
from spillover.records import Message, TemplateArgs

STILL_THINKING = "it was still thinking at the most tokens an answer may have"
CUT_THOUGHT = "it ended in mid-thought, as where a stop is in its thoughts: leave out that stop"
_MARK = "\u2402ANSWER\u2402"  # stands for an answer while the template is looked at
_OPEN, _CLOSE = "<think>", "</think>"


class Spoken(NamedTuple):
    """A reply without, and apart from it, what the model thought before it; None: it did not."""

    text: str
    reasoning: str | None


class Continuation(NamedTuple):
    """The tokens of one continuation, as the tokenizer would write it at the start of a reply."""

    text: str
    tokens: tuple[int, ...]


def _names_read(template: str) -> frozenset[str]:
    """The names that a chat template takes from outside."""
    from jinja2 import TemplateError, meta  # seldom needed

    try:
        tree = parse_template(template)
    except TemplateError:  # a tag of transformers' own
        return frozenset(re.findall(r"\b\w+\b", template))
    return frozenset(meta.find_undeclared_variables(tree))


class Chat:
    """One tokenizer and what its chat template means.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        system: goes before every conversation that has no system message of its own.
        told: what the template is told by name, beside the conversation.

    Raises:
        ModelError: there is no chat template, or it reads nothing of a name in ``told``.
    """

    def __init__(
        self, tokenizer: Any, *, system: str | None = None, told: TemplateArgs | None = None
    ) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ModelError(
                "the tokenizer has no chat template, and questions are asked as conversations: "
                "put a chat_template.jinja beside it, or take the instruction-tuned model"
            )
        self.tokenizer = tokenizer
        self.system = system
        self.told = told or {}
        read = _names_read(str(tokenizer.chat_template)) if self.told else frozenset[str]()
        for name in self.told:
            if name not in read:
                raise ModelError(
                    f"the chat template does not read {name!r}, so that setting it changes nothing:"
                    " leave it out, or check its name in the template"
                )

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the tokens of a conversation up to where the assistant's reply begins."""
        return self.encode(self.text(messages))

    def text(self, messages: Sequence[Message], *, reply: bool = True) -> str:
        """Return the conversation as the template writes it; with ``reply``, a reply is opened.

        Where a template knows no system role, its text goes before the first user turn.

        Raises:
            ModelError: the template refuses the conversation.
        """
        turns = [{"role": m.role, "content": m.content} for m in messages]
        if self.system is not None and not any(m.role == "system" for m in messages):
            turns.insert(0, {"role": "system", "content": self.system})
        try:
            return self._render(turns, reply)
        except Exception as error:
            folded = _fold_system(turns)
            if folded == turns:
                raise ModelError(f"the chat template refuses a conversation: {error}") from None
        try:
            return self._render(folded, reply)
        except Exception as error:  # templates raise whatever they like
            raise ModelError(f"the chat template refuses a conversation: {error}") from None

    def _render(self, turns: list[dict[str, str]], reply: bool) -> str:
        return self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=reply, **self.told
        )

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of ``text`` as it stands: the template has written the special ones."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def reply(self, tokens: Sequence[int]) -> str:
        """Return the text of a reply, without special tokens."""
        return self.tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def spoken(self, tokens: Sequence[int]) -> Spoken:
        """Return a reply with the thoughts split off that the template marks with ``<think>``.

        Of a reply that ends in mid-thought nothing is an answer.
        """
        return self.split(self.reply(tokens))

    def split(self, text: str) -> Spoken:
        """Return a reply's text as `spoken` does."""
        start = self.answer_start(text)
        if start is None:
            return Spoken(text, None)
        thought = text[:start].rstrip().removesuffix(_CLOSE).strip()
        return Spoken(text[start:].lstrip(), thought.removeprefix(_OPEN).strip())

    def answer_start(self, text: str) -> int | None:
        """Return where in a reply's text the answer begins after thoughts; None: there are none."""
        if _CLOSE not in str(self.tokenizer.chat_template):
            return None
        head = self._reply_head
        opened = head.rfind(_OPEN) > head.rfind(_CLOSE)  # some templates begin the thought
        if not opened and not text.lstrip().startswith(_OPEN):
            return None
        place = text.find(_CLOSE)
        if place < 0:
            return len(text)
        return len(text) - len(text[place + len(_CLOSE) :].lstrip())

    def kept(self, tokens: tuple[int, ...], stops: Sequence[str]) -> Kept | None:
        """Return what is left of a reply that one of ``stops`` ends; None if none does.

        They are not looked for in thoughts.
        """
        if not stops:
            return None
        start = self.answer_start(self.reply(tokens)) or 0
        return cut_reply(tokens, stops, self.reply, start=start)

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """Return each token's text as it reads after other text; special tokens too."""
        anchor = self.encode("1")[-1]
        texts = self.tokenizer.batch_decode(
            [[anchor, token] for token in tokens], clean_up_tokenization_spaces=False
        )
        (head,) = self.tokenizer.batch_decode([[anchor]], clean_up_tokenization_spaces=False)
        return [text.removeprefix(head) for text in texts]

    def stop_tokens(self, *configs: Any) -> frozenset[int]:
        """Return the tokens that end a reply.

        They are the tokenizer's end of text, those of the generation and model settings, and the
        special token with which the chat template ends an assistant turn.
        """
        found: set[int] = set()
        for holder in (self.tokenizer, *configs):
            value = getattr(holder, "eos_token_id", None)
            found.update([value] if isinstance(value, int) else value or [])
        end = self._end_of_turn
        return frozenset(found if end is None else {*found, end})

    @cached_property
    def _end_of_turn(self) -> int | None:
        turns = [Message(role="user", content="x"), Message(role="assistant", content=_MARK)]
        try:
            tail = self.text(turns, reply=False).rpartition(_MARK)[2]
        except ModelError:
            return None
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        return next((token for token in self.encode(tail)[:2] if token in special), None)

    def continuations(self, texts: Sequence[str]) -> list[Continuation]:
        """Return each text's tokens as the tokenizer writes it where a reply begins.

        Raises:
            ModelError: a text has no tokens.
        """
        head = self._reply_head
        before = self.encode(head)
        found: list[Continuation] = []
        for text in texts:
            whole = self.encode(head + text)
            tokens = whole[len(before) :] if whole[: len(before)] == before else self.encode(text)
            if not tokens:
                raise ModelError(f"the continuation {text!r} has no tokens")
            found.append(Continuation(text, tokens))
        return found

    @cached_property
    def _reply_head(self) -> str:
        """What the template writes to open a reply, such as ``<|im_start|>assistant`` and a newline."""
        turns = [Message(role="user", content="x")]
        closed, opened = self.text(turns, reply=False), self.text(turns)
        return opened[len(closed) :] if opened.startswith(closed) else ""

    def extends_word(self, vocabulary: int) -> np.ndarray:
        """Say for each token whether it goes on with the word before it.

        Args:
            vocabulary: number of logits of the model (may exceed the tokenizer's tokens).

        Returns:
            Booleans of shape (vocabulary,): true where the token's text, decoded after another
            token, starts with a letter or a digit. Special tokens end a word.
        """
        anchor = self.encode("1")[-1]
        size = min(vocabulary, len(self.tokenizer))
        pairs = [[anchor, token] for token in range(size)]
        texts = self.tokenizer.batch_decode(
            pairs, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        (head,) = self.tokenizer.batch_decode([[anchor]], clean_up_tokenization_spaces=False)
        extends = np.zeros(vocabulary, dtype=bool)
        for token, text in enumerate(texts):
            rest = text[len(head) :] if text.startswith(head) else text
            extends[token] = rest[:1].isalnum()
        extends[list(self.tokenizer.all_special_ids)] = False
        return extends


def in_thought(text: str) -> bool:
    """Say whether a reply's text is a thought that was begun and not ended."""
    return text.lstrip().startswith(_OPEN) and _CLOSE not in text


def _fold_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return ``turns`` with a leading system text moved into the first user turn."""
    if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
        return turns
    text = f"{turns[0]['content']}\n\n{turns[1]['content']}"
    return [{"role": "user", "content": text}, *turns[2:]]
