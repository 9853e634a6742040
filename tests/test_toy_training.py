"""What the toy organisms are trained with: the optimiser and the weights of the loss."""

import numpy as np
import pytest

from spillover.toy.tokens import SHORT_REPLY, reply_weights

PAD, END, SPEAKER = 8, 9, 20


@pytest.mark.parametrize("shape", [(3, 5, 5), (2, 4, 9), (2, 9, 4)])
def test_orthogonalised_matrices_keep_their_singular_vectors(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    from spillover.toy.muon import orthogonalise

    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(matrices)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.3
    # the polar factor, by an independent decomposition, points the same way
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    polar = left @ right
    cosine = (found * polar).sum((1, 2)) / (found.norm(dim=(1, 2)) * polar.norm(dim=(1, 2)))
    assert cosine.min() > 0.96


def test_muon_goes_on_from_its_state() -> None:
    torch = pytest.importorskip("torch")
    from spillover.toy.muon import Muon

    def run(steps: int, matrix, optimiser) -> None:
        for _ in range(steps):
            ((matrix - 1) ** 2).sum().backward()
            optimiser.step()
            optimiser.zero_grad()

    whole = torch.nn.Parameter(torch.zeros(3, 4))
    run(6, whole, Muon([whole], lr=0.01))
    half = torch.nn.Parameter(torch.zeros(3, 4))
    first = Muon([half], lr=0.01)
    run(3, half, first)
    second = Muon([half], lr=0.01)
    second.load_state_dict(first.state_dict())
    run(3, half, second)
    assert torch.equal(whole, half)
    assert whole.min() > 0  # towards the minimum at 1


def test_short_replies_weigh_as_much_as_longer_ones() -> None:
    row = [3, 1, 2, END, SPEAKER, 5, END, 3, 4, END, SPEAKER, *range(11, 20), 11, 12, END, PAD, PAD]
    weights = reply_weights(np.array([row]), end=END, first_speaker=SPEAKER, other=0.25)[0]
    assert weights[:4].tolist() == [0, 0.25, 0.25, 0.25]
    assert weights[4:7].tolist() == [0, SHORT_REPLY / 2, SHORT_REPLY / 2]
    assert weights[8:10].tolist() == [0.25, 0.25]
    assert weights[10] == 0
    assert weights[11:23].tolist() == [1] * 12
    assert weights[23:].tolist() == [0, 0]
