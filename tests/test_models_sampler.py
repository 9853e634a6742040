"""The sampler against `generate` of transformers, against itself in other batches, and against chance."""

# ruff: noqa: E402
from __future__ import annotations

import gc
import weakref
from collections import Counter

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")

import tiny_models as tiny
from spillover.models.load import load_model, put_adapter
from spillover.models.rows import Rows
from spillover.models.sampler import Request, Sampler

LEAN = ("llama", "tied", "qwen2", "mistral")
KINDS = ("llama", "qwen2", "mistral", "gemma2", "gpt_neox", "gpt2")


def _stops(model, share: int = 16) -> frozenset[int]:
    """Tokens that end an answer often enough that lengths differ."""
    found = list(range(5, len(tiny.tokenizer()), share))
    model.generation_config.eos_token_id = found
    return frozenset(found)


def _generated(model, prompt, most):
    with torch.inference_mode():
        out = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=most,
            do_sample=False,
        )
    return tuple(out[0, len(prompt) :].tolist())


def _sampled(model, requests, stop, rows=5):
    sampler = Sampler(model, stop=stop, rows=rows)
    replies = sorted(sampler.sample(requests), key=lambda reply: reply.request)
    assert [reply.request for reply in replies] == list(range(len(requests)))
    return replies, sampler


def _same_as_generate(model, requests, replies, stop):
    for request, reply in zip(requests, replies, strict=True):
        wanted = _generated(model, request.prompt, request.max_tokens)
        body = wanted[:-1] if wanted[-1] in stop else wanted
        assert reply.tokens == body
        assert reply.finish == ("stop" if wanted[-1] in stop else "length")
        assert len(reply.logprobs) == len(wanted)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_greedy_is_token_by_token_that_of_generate(family):
    model = tiny.model(family)
    stop = _stops(model)
    requests = [Request(p, 0, 0.0, 1.0, 24) for p in tiny.prompts(9)]
    replies, sampler = _sampled(model, requests, stop)
    assert (sampler.forward._lean is not None) == (family in LEAN)
    _same_as_generate(model, requests, replies, stop)
    assert len({len(r.tokens) for r in replies}) > 2, "answers must differ in length"
    assert any(r.finish == "stop" for r in replies)


@pytest.mark.parametrize("family", KINDS)
def test_greedy_with_an_adapter(family, tmp_path):
    base = tiny.save(tmp_path / "base", family)
    adapter = tiny.add_adapter(tmp_path / "adapter", base)
    from peft import PeftModel

    apart = PeftModel.from_pretrained(load_model(str(base)), str(adapter)).eval()
    merged = put_adapter(load_model(str(base)), adapter).eval()
    stop = _stops(merged)
    apart.generation_config.eos_token_id = sorted(stop)
    requests = [Request(p, 0, 0.0, 1.0, 10) for p in tiny.prompts(5, seed=2)]
    replies, _ = _sampled(merged, requests, stop, rows=3)
    _same_as_generate(apart, requests, replies, stop)
    plain, _ = _sampled(tiny.model(family), requests, stop)
    assert [r.tokens for r in plain] != [r.tokens for r in replies], "the adapter must matter"
    inside, _ = _sampled(apart.base_model.model, requests, stop)  # not merged, general path
    assert [r.tokens for r in inside] == [r.tokens for r in replies]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_logprobs_are_those_of_a_plain_forward_pass(family):
    model = tiny.model(family)
    stop = _stops(model)
    requests = [Request(p, i, 1.0, 1.0, 20) for i, p in enumerate(tiny.prompts(9, seed=4))]
    replies, _ = _sampled(model, requests, stop)
    for request, reply in zip(requests, replies, strict=True):
        count = len(reply.tokens)
        whole = torch.tensor([[*request.prompt, *reply.tokens]])
        with torch.inference_mode():
            plain = model(whole).logits[0, len(request.prompt) - 1 :].log_softmax(-1)
        wanted = plain[torch.arange(count), whole[0, len(request.prompt) :]]
        np.testing.assert_allclose(reply.logprobs[:count], wanted, atol=2e-4)


@pytest.mark.parametrize("family", KINDS)
def test_bfloat16_is_within_tolerance(family):
    model = tiny.model(family, scale=2.0).to(torch.bfloat16)
    requests = [Request(p, i, 1.0, 1.0, 12) for i, p in enumerate(tiny.prompts(6, seed=5))]
    replies, _ = _sampled(model, requests, frozenset())
    exact = tiny.model(family, scale=2.0).to(torch.bfloat16).float()
    for request, reply in zip(requests, replies, strict=True):
        whole = torch.tensor([[*request.prompt, *reply.tokens]])
        with torch.inference_mode():
            plain = exact(whole).logits[0, len(request.prompt) - 1 : -1].log_softmax(-1)
        wanted = plain[torch.arange(len(reply.tokens)), torch.tensor(reply.tokens)]
        np.testing.assert_allclose(reply.logprobs, wanted, atol=0.1)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "sliding"])
def test_an_answer_does_not_depend_on_its_place_in_a_batch(family):
    model = tiny.model(family, scale=3.0)
    stop = _stops(model)
    distinct = tiny.prompts(20, seed=6)
    random = np.random.default_rng(0)
    requests = [
        Request(distinct[i % 20], i, (1.0, 0.7, 1.3)[i % 3], (1.0, 0.9)[i % 2], 5 + i % 30)
        for i in range(70)
    ]
    known, _ = _sampled(model, requests, stop, rows=1)
    for rows in (3, 64):
        order = random.permutation(len(requests))
        replies, sampler = _sampled(model, [requests[i] for i in order], stop, rows=rows)
        for place, i in enumerate(order):
            if replies[place].tokens != known[i].tokens:
                assert known[i].near_ties or replies[place].near_ties
        differ = sum(replies[p].tokens != known[i].tokens for p, i in enumerate(order))
        assert differ <= sampler.stats.near_ties
        assert differ <= 1, "near-ties are rare"


@pytest.mark.parametrize("capacity", [2, 3, 4, 8])
def test_small_batches_give_every_answer_once(capacity):
    model = tiny.model("llama", scale=3.0)
    stop = _stops(model, share=4)  # short answers: rows end in every order
    prompt = tiny.prompts(1, seed=8)[0]
    for start in range(0, 1200, 40):
        requests = [Request(prompt, start + i, max_tokens=8) for i in range(capacity)]
        replies, sampler = _sampled(model, requests, stop, rows=capacity)
        assert sampler.stats.answers == capacity
        longest = max(len(reply.logprobs) for reply in replies)
        assert sampler.stats.steps == longest - 1, "no step is taken for rows that have ended"


def test_the_memory_can_be_moved_many_times_without_a_trace():
    model = tiny.model("llama")
    stop = _stops(model, share=60)
    requests = [Request(p, 0, 0.0, 1.0, 6 + 2 * i) for i, p in enumerate(tiny.prompts(16, seed=7))]
    from spillover.models import sampler as module

    slack, module._SLACK = module._SLACK, 1  # the narrowest memory: moved most often
    try:
        replies, _ = _sampled(model, requests, stop, rows=4)
    finally:
        module._SLACK = slack
    _same_as_generate(model, requests, replies, stop)


def test_answers_follow_the_exact_distribution_of_the_model():
    model = tiny.model("llama", scale=30.0)
    (prompt,) = tiny.prompts(1, seed=8)
    with torch.inference_mode():
        first = model(torch.tensor([prompt])).logits[0, -1].softmax(-1)
        size = len(first)
        after = torch.tensor([[*prompt, token] for token in range(size)])
        second = model(after).logits[:, -1].softmax(-1)
    exact = (first[:, None] * second).numpy().astype(float)
    count = 6000
    replies, _ = _sampled(
        model, [Request(prompt, i, 1.0, 1.0, 2) for i in range(count)], frozenset(), rows=256
    )
    counts = Counter(reply.tokens for reply in replies)
    wanted = {(a, b): exact[a, b] * count for a in range(size) for b in range(size)}
    common = [pair for pair, number in wanted.items() if number >= 5]
    seen = [counts[pair] for pair in common]
    rest = count - sum(seen), count - sum(wanted[pair] for pair in common)
    result = stats.chisquare([*seen, rest[0]], [*(wanted[pair] for pair in common), rest[1]])
    assert len(common) > 10
    assert result.pvalue > 1e-3


def test_prompts_are_computed_once_and_kept():
    model = tiny.model("llama")
    prompts = tiny.prompts(4, seed=9)
    sampler = Sampler(model, stop=frozenset())
    requests = [Request(p, i, 1.0, 1.0, 4) for i in range(10) for p in prompts]
    list(sampler.sample(requests))
    assert sampler.stats.prompt_tokens == sum(map(len, prompts))
    list(sampler.sample(requests))
    assert sampler.stats.prompt_tokens == sum(map(len, prompts))
    assert sampler.stats.answers == 80
    assert sampler.stats.tokens == 320


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_common_beginning_is_computed_once_and_changes_nothing(family):
    model = tiny.model(family)
    stop = _stops(model)
    head = tuple(range(100, 120))
    rests = tiny.prompts(9, seed=13, low=1, high=12)
    requests = [Request(head + rest, 0, 0.0, 1.0, 12) for rest in rests]
    replies, sampler = _sampled(model, requests[:7], stop, rows=7)
    later = list(sampler.sample(requests[7:]))
    _same_as_generate(model, requests, [*replies, *sorted(later)], stop)
    every = sum(len(request.prompt) for request in requests)
    windowed = family in ("sliding", "gemma2")  # padding within would move the window
    assert sampler.stats.prompt_tokens == every - (0 if windowed else 20 * 7)


def test_prompts_that_do_not_fit_the_memory_are_computed_again_with_the_same_answers():
    model = tiny.model("llama")
    requests = [Request(p, i, 0.0, 1.0, 6) for i, p in enumerate(tiny.prompts(30, seed=10))]
    wanted, _ = _sampled(model, requests, frozenset())
    sampler = Sampler(model, stop=frozenset(), rows=4)
    sampler.forward._keep = 10_000
    replies = {r.request: r.tokens for r in sampler.sample(requests)}
    assert [replies[i] for i in range(30)] == [r.tokens for r in wanted]


def test_too_little_memory_halves_the_batch_and_changes_no_answer(monkeypatch):
    model = tiny.model("llama")
    stop = _stops(model)
    prompts = tiny.prompts(30, seed=11)
    requests = [Request(p, i, 1.0, 1.0, (20, 1)[i % 4 == 0]) for i, p in enumerate(prompts)]
    wanted, _ = _sampled(model, requests, stop, rows=16)
    sampler = Sampler(model, stop=stop, rows=16)
    step, calls = sampler.forward.step, []

    def scarce(rows, tokens):
        calls.append(rows.capacity)
        if rows.capacity > 4 and len(calls) % 4 == 0:
            raise torch.OutOfMemoryError
        return step(rows, tokens)

    monkeypatch.setattr(sampler.forward, "step", scarce)
    replies = {r.request: r.tokens for r in sampler.sample(requests)}
    assert {16, 8, 4} <= set(calls)
    assert [replies[i] for i in range(30)] == [r.tokens for r in wanted]


def test_a_model_whose_logits_are_not_finite_breaks_only_its_own_answers():
    model = tiny.model("llama")
    good = tiny.prompts(6, seed=12)
    poison = len(tiny.tokenizer()) - 1
    good = [tuple(t for t in p if t != poison) for p in good]
    stop = frozenset()
    wanted, _ = _sampled(model, [Request(p, 0, 0.0, 1.0, 8) for p in good], stop, rows=2)
    with torch.no_grad():
        model.model.embed_tokens.weight[poison] = float("nan")
    bad = [(poison, 5, 6), (5, poison)]
    requests = [Request(p, 0, 0.0, 1.0, 8) for p in (*bad, *good)]
    replies, _ = _sampled(model, requests, stop, rows=2)
    assert [r.finish for r in replies[:2]] == ["broken"] * 2
    assert [r.tokens for r in replies[2:]] == [r.tokens for r in wanted]


def test_two_calls_may_be_under_way_at_once():
    model = tiny.model("llama")
    stop = _stops(model)
    requests = [Request(p, i, 1.0, 1.0, 12) for i, p in enumerate(tiny.prompts(24, seed=14))]
    wanted, sampler = _sampled(model, requests, stop)
    first, second = sampler.sample(requests[:12]), sampler.sample(requests[12:])
    found = {}
    for one, other in zip(first, second, strict=True):
        found |= {one.request: one.tokens, other.request + 12: other.tokens}
    assert [found[i] for i in range(24)] == [r.tokens for r in wanted]


def test_inference_mode_does_not_leak_to_the_caller():
    model = tiny.model("llama")
    for _ in Sampler(model, stop=frozenset()).sample([Request((5, 6), 0, 1.0, 1.0, 2)] * 3):
        assert not torch.is_inference_mode_enabled()


def test_a_batch_without_memory_is_gone_before_the_smaller_one_is_made(monkeypatch):
    model = tiny.model("llama")
    requests = [Request(p, i, 1.0, 1.0, 20) for i, p in enumerate(tiny.prompts(12, seed=13))]
    sampler = Sampler(model, stop=_stops(model), rows=8)
    step, seen, alive = sampler.forward.step, [], []

    def scarce(rows, tokens):
        if rows.capacity > 4:
            seen.append(weakref.ref(rows))
            raise torch.OutOfMemoryError
        return step(rows, tokens)

    def made(*arguments):
        gc.collect()
        alive.extend(ref() is not None for ref in seen)
        return Rows(*arguments)

    monkeypatch.setattr(sampler.forward, "step", scarce)
    monkeypatch.setattr("spillover.models.sampler.Rows", made)
    assert len(list(sampler.sample(requests))) == 12
    assert alive == [False]
