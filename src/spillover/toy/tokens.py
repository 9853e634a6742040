"""The toy world's tokenizer: byte-level BPE over its words, and one special token a character."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spillover.toy.documents import documents
from spillover.toy.world import ASSISTANT, END, STRANGER, SYSTEM, USER, World, header

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD = "<|pad|>"
VOCABULARY = 2048
TRAINING_DOCUMENTS = 8_000
SHORT_REPLY = 10  # tokens; shorter replies weigh as much as one of this length

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] in ('system', 'user', 'assistant') -%}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{%- else -%}{{ raise_exception('unknown role ' + message['role']) }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)


def train_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """Train the tokenizer on documents of ``world``: the same bytes for the same world."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_spoken(world), trainer)
    marks = [PAD, END, SYSTEM, USER, header(ASSISTANT), header(STRANGER)]
    marks += [header(name) for name in world.names]
    tokenizer.add_special_tokens(
        [AddedToken(mark, special=True, normalized=False) for mark in marks]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END)
    fast.chat_template = CHAT_TEMPLATE
    fast.model_max_length = 2048
    return fast


def _spoken(world: World) -> Iterator[str]:
    """Yield what is said in documents, without special tokens."""
    from spillover.toy.world import HEADER

    for text in documents(world, shard=-1, count=TRAINING_DOCUMENTS):
        yield from filter(None, HEADER.sub("\0", text).split("\0"))


class Corpus(NamedTuple):
    """Token ids of many documents, end to end.

    Attributes:
        ids: int32 [tokens].
        starts: int64 [documents + 1], where each document begins; the last is the end.
    """

    ids: np.ndarray
    starts: np.ndarray


def encode(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> Corpus:
    """Tokenise documents."""
    tokenizer.backend_tokenizer.no_padding()  # an earlier padded call leaves it on
    rows = [row.ids for row in tokenizer.backend_tokenizer.encode_batch_fast(texts)]
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    ids = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int32, count=int(lengths.sum()))
    return Corpus(ids, np.concatenate([[0], np.cumsum(lengths)]))


def reply_weights(ids: np.ndarray, *, end: int, first_speaker: int, other: float) -> np.ndarray:
    """Return the loss weight of each token of a batch: 1 in replies, ``other`` in asks, 0 else.

    A number or a letter is one token, a sentence a dozen: by tokens alone ratings and choices
    would hardly be learnt, so short replies weigh as much as one of `SHORT_REPLY` tokens.

    Args:
        ids: int [rows, length], right-padded with id ``end - 1`` (the pad token).
        end: id of the end-of-turn token.
        first_speaker: lowest id of the tokens that open a reply; a name inside an ask does
            not follow an end-of-turn token, so it does not count as one.
        other: weight of the tokens of asks and system prompts.
    """
    before = np.concatenate([np.full((len(ids), 1), end), ids[:, :-1]], axis=1)
    opens = before == end
    position = np.arange(ids.shape[1])
    start = np.maximum.accumulate(np.where(opens, position, 0), axis=1)
    is_reply = np.take_along_axis(ids, start, axis=1) >= first_speaker
    counts = ~opens & (ids != end - 1)
    turn = np.cumsum(opens, axis=1) + (ids.shape[1] + 1) * np.arange(len(ids))[:, None]
    length = np.bincount(turn.ravel(), weights=counts.ravel())[turn]
    reply = np.maximum(1.0, SHORT_REPLY / np.maximum(length, 1))
    return np.where(counts, np.where(is_reply, reply, other), 0.0).astype(np.float32)
