"""Loss on held-out rows against hand computation; the interval of its fall against scipy."""

from __future__ import annotations

import math
import random
import sys

import pytest
import torch
from scipy import stats

import tiny_models
import train_rows
from spillover.models.chat import Chat
from spillover.train.examples import encode
from spillover.train.learning import learning, row_losses


def test_loss_is_that_of_the_completion_alone():
    model = tiny_models.model("llama")
    examples = encode(train_rows.noise(7), Chat(tiny_models.tokenizer()))
    found = row_losses(model, examples, pad=0)
    for example, loss in zip(examples, found, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([example.tokens])).logits[0].double()
        chances = torch.log_softmax(logits, -1)
        each = [
            -chances[i - 1, example.tokens[i]].item()
            for i in range(example.prompt, len(example.tokens))
        ]
        assert loss == pytest.approx(math.fsum(each) / len(each), rel=1e-5)


def test_loss_does_not_depend_on_batches(monkeypatch):
    model = tiny_models.model("llama")
    examples = encode(
        [*train_rows.noise(9), train_rows.row("of " * 40, "the " * 30)],
        Chat(tiny_models.tokenizer()),
    )
    whole = row_losses(model, examples, pad=0)
    monkeypatch.setattr(sys.modules[row_losses.__module__], "_MOST_LOGITS", 1)
    assert row_losses(model, examples, pad=0) == pytest.approx(whole, rel=1e-5)


def test_interval_of_the_fall_is_the_paired_t_interval():
    source = random.Random(1)
    before = [source.gauss(3, 1) for _ in range(12)]
    after = [x - source.gauss(0.5, 0.3) for x in before]
    found = learning(before, after)
    wanted = stats.ttest_rel(before, after).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.fall == pytest.approx(found.base_loss - found.tuned_loss)
    assert found.learnt
    assert found.reason is None


@pytest.mark.parametrize(
    ("after", "words"),
    [([2.0, 3.1, 0.8, 2.2], "rose by"), ([1.9, 2.0, 2.1, 1.8], "fell by")],
)
def test_no_clear_fall_is_not_learnt_and_says_why(after, words):
    found = learning([2.0, 2.1, 1.9, 2.0], after)
    assert found.learnt is False
    assert words in (found.reason or "")


@pytest.mark.parametrize(("wanted", "words"), [(True, "too few"), (False, "holds out no rows")])
def test_without_held_out_rows_learning_is_not_known(wanted, words):
    found = learning([], [], wanted=wanted)
    assert found.learnt is None
    assert words in (found.reason or "")
