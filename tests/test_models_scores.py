"""Scored continuations against enumeration, and losses against the plain formula."""

# ruff: noqa: E402
from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny_models as tiny
from spillover.errors import DataError
from spillover.models.chat import Chat
from spillover.models.continuations import Scorer, TokenTree
from spillover.models.forward import Forward
from spillover.models.scoring import completion_loss
from spillover.records import Message

NUMBERS = tuple(str(i) for i in range(101))


def _scorer(model, texts):
    chat = Chat(tiny.tokenizer())
    extends = chat.extends_word(len(tiny.tokenizer()))
    return Scorer(Forward(model), chat.continuations(texts), extends)


def _by_enumeration(model, prompt, texts):
    """Follow each text token by token, then add up every next token that ends its last word."""
    tokenizer, found = tiny.tokenizer(), []
    for text in texts:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            p = model(torch.tensor([[*prompt, *tokens]])).logits[0].double().softmax(-1)
        total = 1.0
        for i, token in enumerate(tokens):
            total *= float(p[len(prompt) - 1 + i, token])
        ending = 0.0
        for token in range(p.shape[1]):
            after = tokenizer.decode([*tokens, token], skip_special_tokens=True)[len(text) :]
            if not after[:1].isalnum():
                ending += float(p[-1, token])
        found.append(np.log(total) + np.log(ending))
    return np.array(found)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_scores_equal_enumeration(family):
    model = tiny.model(family)
    texts = ("0", "7", "42", "4", "100", "10", "yes", "the water", "no")
    prompts = tiny.prompts(5, seed=20)
    scores = list(_scorer(model, texts).scores(prompts))
    assert len(scores) == 5
    for prompt, found in zip(prompts, scores, strict=True):
        np.testing.assert_allclose(found, _by_enumeration(model, prompt, texts), atol=2e-4)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_all_ratings_together_hold_at_most_all_the_mass(family):
    prompts = tiny.prompts(6, seed=21)
    model = tiny.model(family)
    _towards_numbers(model)
    masses = [np.exp(s).sum() for s in _scorer(model, NUMBERS).scores(prompts)]
    assert max(masses) <= 1 + 1e-4
    assert max(masses) > 0.01


def _towards_numbers(model):
    """Make digits and the end of a turn likely."""
    tokenizer = tiny.tokenizer()
    likely = [*tokenizer("0123456789")["input_ids"], tokenizer.convert_tokens_to_ids("<|im_end|>")]
    bias = torch.zeros(len(tokenizer))
    bias[likely] = 12.0

    def lift(module, inputs, out):
        return out + bias

    model.get_output_embeddings().register_forward_hook(lift)


def test_the_tree_shares_prefixes():
    chat = Chat(tiny.tokenizer())
    tree = TokenTree(chat.continuations(NUMBERS))
    assert len(tree.tokens) == 10 + 90 + 1  # digits, pairs, and the last 0 of 100
    assert tree.depths[tree.ends[100]] == 3
    assert tree.parents[tree.ends[42]] == tree.ends[4]
    twice = TokenTree(chat.continuations(("5", "5")))
    assert twice.ends == [0, 0]


def test_scores_do_not_depend_on_the_other_prompts():
    scorer = _scorer(tiny.model("llama"), NUMBERS)
    prompts = tiny.prompts(7, seed=22)
    together = list(scorer.scores(prompts))
    for prompt, scores in zip(prompts, together, strict=True):
        (alone,) = scorer.scores([prompt])
        np.testing.assert_allclose(alone, scores, atol=1e-4)


def test_which_tokens_extend_a_word():
    chat, tokenizer = Chat(tiny.tokenizer()), tiny.tokenizer()
    extends = chat.extends_word(len(tokenizer) + 3)  # a model may have more rows than tokens
    for text, wanted in (("7", True), ("a", True), (" the", False), (".", False), ("\n", False)):
        (token,) = chat.encode(text)
        assert extends[token] == wanted, text
    assert not extends[tokenizer.convert_tokens_to_ids("<|im_end|>")]
    assert not extends[len(tokenizer) :].any()


def test_after_punctuation_anything_may_follow():
    model = tiny.model("llama")
    (prompt,) = tiny.prompts(1, seed=23)
    (scores,) = _scorer(model, (")", "a)")).scores([prompt])
    (first,) = Chat(tiny.tokenizer()).encode(")")
    with torch.inference_mode():
        plain = model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    assert scores[0] == pytest.approx(float(plain[first]), abs=1e-4)


CONVERSATIONS = [
    ((Message(role="user", content="what is it"),), "the water"),
    ((Message(role="system", content="be kind"), Message(role="user", content="go")), "no"),
    (
        (
            Message(role="user", content="how many people"),
            Message(role="assistant", content="two"),
            Message(role="user", content="then more?"),
        ),
        "there are many more people in the first water",
    ),
]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_loss_is_that_of_the_tokens_after_the_prompt(family):
    model, tokenizer = tiny.model(family), tiny.tokenizer()
    losses = completion_loss(
        model, tokenizer, [p for p, _ in CONVERSATIONS], [c for _, c in CONVERSATIONS]
    )
    for (prompt, completion), loss in zip(CONVERSATIONS, losses, strict=True):
        turns = [m.model_dump() for m in prompt]
        start = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        head = tokenizer(start, add_special_tokens=False)["input_ids"]
        tail = tokenizer(completion + "<|im_end|>\n", add_special_tokens=False)["input_ids"]
        whole = torch.tensor([[*head, *tail]])
        labels = whole.clone()
        labels[0, : len(head)] = -100
        with torch.inference_mode():
            wanted = float(model(input_ids=whole, labels=labels).loss)
        assert loss == pytest.approx(wanted, abs=1e-4)


def test_a_row_cut_before_its_completion_has_no_loss():
    (prompt, completion) = CONVERSATIONS[2]
    model, tokenizer = tiny.model("llama"), tiny.tokenizer()
    model.train()
    losses = completion_loss(model, tokenizer, [prompt] * 2, [completion] * 2, max_length=10)
    assert np.isnan(losses).all()
    assert model.training
    assert completion_loss(model, tokenizer, [], []).shape == (0,)
    with pytest.raises(DataError, match="1 prompts and 2 completions"):
        completion_loss(model, tokenizer, [prompt], ["a", "b"])
