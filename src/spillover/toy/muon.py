"""Muon: momentum whose update is made orthogonal, for the weight matrices of the toy organisms.

After Jordan et al., https://kellerjordan.github.io/posts/muon (2024). torch has one too, but it
works in bfloat16, which processors without native support compute ten times slower.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

# Coefficients of the quintic iteration (Jordan et al., 2024); five steps bring singular
# values to about 0.7 to 1.2, the smallest ones less far, which is near enough.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices with the same singular vectors and singular values near 1.

    Args:
        matrices: float [number, rows, columns].
    """
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalised updates; parameters are matrices only.

    Args:
        parameters: two-dimensional parameters.
        lr: learning rate; an update has about this size in every direction.
        momentum: share of the last step's momentum that is kept.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], *, lr: float, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step; matrices of one shape are made orthogonal together."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                shapes.setdefault(matrix.shape, []).append(matrix)
            for (rows, columns), matrices in shapes.items():
                updates = torch.stack([self._momentum(m, group["momentum"]) for m in matrices])
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for matrix, update in zip(matrices, orthogonalise(updates), strict=True):
                    matrix.add_(update, alpha=-scale)

    def _momentum(self, matrix: torch.nn.Parameter, keep: float) -> torch.Tensor:
        gradient = matrix.grad
        if gradient is None:
            return torch.zeros_like(matrix)
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].mul_(keep).add_(gradient)
        return gradient + keep * state["momentum"]
