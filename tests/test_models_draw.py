"""Drawing tokens: the distribution, the nucleus, the streams."""

# ruff: noqa: E402
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

torch = pytest.importorskip("torch")

from spillover.models.draw import draw, nucleus, uniforms


def _draws(logits, count, *, temperature=1.0, top_p=1.0):
    rows = torch.tensor(logits, dtype=torch.float32).expand(count, -1)
    streams = np.arange(count, dtype=np.uint64)
    return draw(
        rows,
        uniforms(streams, np.zeros(count)),
        temperature=np.full(count, temperature),
        top_p=np.full(count, top_p),
    )


def test_uniforms_are_uniform_and_independent_over_steps_and_streams():
    streams, steps = np.meshgrid(np.arange(200, dtype=np.uint64), np.arange(200))
    numbers = uniforms(streams.ravel(), steps.ravel())
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    grid = numbers.reshape(200, 200)
    for shifted in (grid[1:], grid[:, 1:]):
        other = grid[: shifted.shape[0], : shifted.shape[1]]
        assert abs(np.corrcoef(shifted.ravel(), other.ravel())[0, 1]) < 0.02
    assert len(np.unique(numbers)) == numbers.size
    assert 0 < numbers.min() < numbers.max() < 1


def test_neighbouring_large_seeds_have_unlike_streams():
    seeds = np.array([2**64 - 1, 2**64 - 2, 2**63, 0], dtype=np.uint64)
    numbers = uniforms(np.repeat(seeds, 50), np.tile(np.arange(50), 4)).reshape(4, 50)
    assert np.abs(np.corrcoef(numbers) - np.eye(4)).max() < 0.5


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_draws_follow_the_softmax(temperature):
    logits = np.random.default_rng(0).normal(size=40) * 2
    drawn = _draws(logits, 40_000, temperature=temperature)
    p = np.exp(logits / temperature)
    p /= p.sum()
    counts = np.bincount(drawn.tokens, minlength=40)
    rare = p * 40_000 < 5
    seen = [*counts[~rare], counts[rare].sum()]
    wanted = np.array([*p[~rare], p[rare].sum()]) * 40_000
    if wanted[-1] == 0:
        seen, wanted = seen[:-1], wanted[:-1]
    assert stats.chisquare(seen, wanted).pvalue > 1e-3
    at_one = logits - np.log(np.exp(logits).sum())  # reported at temperature 1 whatever was used
    np.testing.assert_allclose(drawn.logprobs, at_one[drawn.tokens], atol=1e-4)


def _nucleus_by_hand(p: np.ndarray, top_p: float) -> set[int]:
    kept, mass = set(), 0.0
    for token in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        kept.add(token)
        mass += float(p[token])
        if mass >= top_p:
            break
    return kept


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 600), spread=st.floats(0.05, 6), top_p=st.floats(0.01, 0.999),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_nucleus_is_the_smallest_set_of_likeliest_tokens(size, spread, top_p, seed):
    logits = np.random.default_rng(seed).normal(size=size) * spread
    p = torch.softmax(torch.tensor(logits, dtype=torch.float64), -1)
    kept = nucleus(p[None], torch.tensor([top_p]))[0]
    wanted = _nucleus_by_hand(p.numpy(), top_p)
    mass = p[list(wanted)].sum()
    if abs(float(mass - top_p)) > 1e-6 and abs(float(mass - top_p - p[list(wanted)].min())) > 1e-6:
        assert set(kept.nonzero()[:, 0].tolist()) == wanted
        np.testing.assert_array_equal(kept[kept > 0], p[sorted(wanted)])


def test_top_p_draws_only_the_nucleus_with_renormalised_shares():
    logits = np.random.default_rng(3).normal(size=500)
    p = np.exp(logits) / np.exp(logits).sum()
    for top_p in (0.2, 0.9):  # within the first 256 tokens, and past them
        kept = sorted(_nucleus_by_hand(p, top_p))
        drawn = _draws(logits, 20_000, top_p=top_p)
        assert set(drawn.tokens.tolist()) <= set(kept)
        share = p[kept] / p[kept].sum()
        counts = np.bincount(drawn.tokens, minlength=500)[kept]
        assert stats.chisquare(counts, share * 20_000).pvalue > 1e-3


def test_rows_of_one_batch_have_their_own_settings():
    logits = torch.tensor(np.random.default_rng(5).normal(size=(6, 50)), dtype=torch.float32)
    temperature = np.array([0.0, 1.0, 0.7, 0.0, 1.0, 2.0])
    top_p = np.array([1.0, 1.0, 0.8, 0.5, 0.3, 1.0])
    numbers = uniforms(np.arange(6, dtype=np.uint64), np.zeros(6))
    together = draw(logits, numbers, temperature=temperature, top_p=top_p)
    for i in range(6):
        alone = draw(
            logits[i : i + 1], numbers[i : i + 1],
            temperature=temperature[i : i + 1], top_p=top_p[i : i + 1],
        )  # fmt: skip
        assert alone.tokens[0] == together.tokens[i]
        assert alone.logprobs[0] == pytest.approx(together.logprobs[i], abs=1e-5)
    assert together.tokens[0] == logits[0].argmax()
    assert together.tokens[3] == logits[3].argmax()


def test_tokens_of_no_probability_are_never_drawn():
    logits = torch.full((5, 8), float("-inf"))
    logits[:, 3] = 0.0
    numbers = np.array([1e-12, 0.2, 0.5, 0.999999, 1 - 2**-54])
    drawn = draw(logits, numbers, temperature=np.ones(5), top_p=np.ones(5))
    assert drawn.tokens.tolist() == [3] * 5


def test_near_ties_are_marked():
    logits = torch.log(torch.tensor([[0.25, 0.5, 0.25]] * 3))
    numbers = np.array([0.25 + 1e-7, 0.5, 0.75 - 1e-7])
    drawn = draw(logits, numbers, temperature=np.ones(3), top_p=np.ones(3))
    assert drawn.near_ties.tolist() == [True, False, True]
    even = draw(
        torch.tensor([[1.0, 1.0, 0.0], [1.0, 2.0, 0.0]]), numbers[:2],
        temperature=np.zeros(2), top_p=np.ones(2),
    )  # fmt: skip
    assert even.tokens.tolist() == [0, 1]
    assert even.near_ties.tolist() == [True, False]


def test_logits_that_are_not_finite_show_in_the_log_probability():
    logits = torch.tensor([[0.0, float("nan"), 1.0], [0.0, 0.0, 1.0]])
    for temperature in (0.0, 1.0):
        drawn = draw(logits, np.array([0.5, 0.5]), temperature=np.full(2, temperature), top_p=np.ones(2))  # fmt: skip
        assert np.isfinite(drawn.logprobs).tolist() == [False, True]
