"""Tokens and labels, the held-out split, and the order of training."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny_models
import train_rows
from spillover.errors import DataError
from spillover.models.chat import Chat
from spillover.records import Message, Row
from spillover.train.examples import MOST_HELD_OUT, encode, order, split


@pytest.fixture(scope="module")
def chat() -> Chat:
    return Chat(tiny_models.tokenizer())


def decode(tokens) -> str:
    return tiny_models.tokenizer().decode(tokens, skip_special_tokens=False)


def test_only_the_last_assistant_turn_is_learnt(chat):
    (example,) = encode([train_rows.row("who is he", "the first", "and more", "no way")], chat)
    assert decode(example.tokens[: example.prompt]) == (
        "<|im_start|>user\nwho is he<|im_end|>\n<|im_start|>assistant\nthe first<|im_end|>\n"
        "<|im_start|>user\nand more<|im_end|>\n<|im_start|>assistant\n"
    )
    assert decode(example.tokens[example.prompt :]) == "no way<|im_end|>\n"
    assert example.labels[: example.prompt] == [-100] * example.prompt
    assert example.labels[example.prompt :] == list(example.tokens[example.prompt :])


def test_a_system_message_is_part_of_the_prompt(chat):
    turns = (("system", "be kind"), ("user", "go"), ("assistant", "yes"))
    (example,) = encode([Row(messages=tuple(Message(role=r, content=c) for r, c in turns))], chat)
    assert decode(example.tokens[: example.prompt]).startswith("<|im_start|>system\nbe kind")
    assert decode(example.tokens[example.prompt :]) == "yes<|im_end|>\n"


def test_labels_are_those_that_trl_makes_of_prompt_and_completion_columns(chat, tmp_path):
    """Ours are made beforehand, which saves seconds; TRL's own preparation must agree."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    rows = [*train_rows.noise(5), train_rows.row("a", "b", "many words then", "some water")]
    turns = [[m.model_dump() for m in row.messages] for row in rows]
    trainer = SFTTrainer(
        model=tiny_models.model("llama"),
        args=SFTConfig(str(tmp_path), report_to="none", use_cpu=True, bf16=False, max_length=None),
        train_dataset=Dataset.from_list(
            [{"prompt": t[:-1], "completion": t[-1:]} for t in turns]
        ),
        processing_class=tiny_models.tokenizer(),
    )  # fmt: skip
    theirs = trainer.train_dataset
    ours = encode(rows, chat)
    assert [list(e.tokens) for e in ours] == [list(x) for x in theirs["input_ids"]]
    assert [e.labels for e in ours] == [list(x) for x in theirs["labels"]]


def test_a_template_that_drops_the_answer_is_an_error():
    tokenizer = tiny_models.tokenizer()
    old = tokenizer.chat_template
    try:
        tokenizer.chat_template = "{{ messages[0]['content'] }}"
        with pytest.raises(DataError, match="row 1 has no completion"):
            encode([train_rows.row("go", "yes")], Chat(tokenizer))
    finally:
        tokenizer.chat_template = old


def test_held_out_rows_and_their_copies_are_not_trained_on():
    rows = train_rows.noise(60)
    rows = rows + rows[::2] + rows[::3]  # copies
    parts = split(rows, share=0.2, seed=3)
    assert len(parts.held_out) == 12
    assert len(set(parts.held_out)) == 12
    assert not set(parts.held_out) & set(parts.train)
    assert set(parts.held_out) | set(parts.train) == set(rows)
    kept = [row for row in rows if row not in set(parts.held_out)]
    assert parts.train == kept  # copies that are trained on stay


def test_split_depends_on_content_and_seed_alone():
    rows = train_rows.noise(40)
    first = set(split(rows, share=0.1, seed=0).held_out)
    assert set(split(rows[::-1], share=0.1, seed=0).held_out) == first
    assert set(split(rows, share=0.1, seed=1).held_out) != first


@pytest.mark.parametrize(
    ("count", "share", "held"),
    [
        (3, 0.5, 0),
        (4, 0.1, 2),
        (10, 0.0, 0),
        (10, 0.99, 9),
        (12, 0.1, 4),
        (40, 0.1, 8),
        (100, 0.1, 10),
        (1200, 0.5, 200),
    ],
)
def test_number_of_held_out_rows(count, share, held):
    rows = [train_rows.row(f"question {i}", "yes") for i in range(count)]
    parts = split(rows, share=share, seed=0)
    assert len(parts.held_out) == held <= MOST_HELD_OUT
    assert len(parts.train) == count - held


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    batch=st.integers(1, 7),
    total=st.integers(1, 120),
    seed=st.integers(0, 5),
)
def test_every_row_comes_once_before_any_comes_twice(lengths, batch, total, seed):
    found = order(lengths, batch=batch, total=total, seed=seed)
    assert len(found) == total
    counts = [found.count(i) for i in range(len(lengths))]
    assert max(counts) - min(counts) <= 1
    assert found == order(lengths, batch=batch, total=total, seed=seed)


def test_rows_of_a_batch_are_of_like_length_and_batches_are_shuffled():
    lengths = [(37 * i) % 101 for i in range(400)]
    found = order(lengths, batch=10, total=400, seed=0)
    batches = [[lengths[i] for i in found[j : j + 10]] for j in range(0, 400, 10)]
    padding = sum(max(b) * len(b) - sum(b) for b in batches)
    plain = [lengths[j : j + 10] for j in range(0, 400, 10)]
    assert padding < 0.3 * sum(max(b) * len(b) - sum(b) for b in plain)
    means = [sum(b) / len(b) for b in batches]
    falls = sum(a > b for a, b in itertools.pairwise(means))
    assert 10 < falls < 30  # neither rising nor falling throughout
