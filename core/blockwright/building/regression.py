"""Least squares in closed form, from second moments alone; float64 inside."""

from __future__ import annotations

import torch
from torch import Tensor


def ridge(inputs: Tensor, cross: Tensor, strength: float, towards: Tensor | None = None) -> Tensor:
    """W of shape (in, out) that minimises ‖XW − Y‖² + λ‖W − W₀‖², from XᵀX (in, in) and XᵀY (in, out).

    λ is `strength` times the mean of XᵀX's diagonal, so that it means the same on every layer; W₀ is `towards`
    or zero. Returns float64.
    """
    inputs, cross = inputs.double(), cross.double()
    if towards is not None:
        cross = cross + penalty(inputs, strength) * towards.double()
    return torch.cholesky_solve(cross, torch.linalg.cholesky(regularise(inputs, strength)))


class OutputWeightedRidge:
    """Ridge regression whose error is measured through what reads the output: tr(G EᵀE), E = XW − Y, G (out, out).

    The penalty ‖W − W₀‖² is not seen through G, so that directions of the output that matter little are held near
    W₀ and those that matter much may follow the data. One eigendecomposition of XᵀX serves every strength.
    """

    def __init__(self, inputs: Tensor, output_moment: Tensor) -> None:
        self._scale = penalty(inputs, 1.0)
        self._values, self._vectors = torch.linalg.eigh(inputs.double())
        importance = output_moment.double()
        importance = importance / importance.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
        self._weights, self._directions = torch.linalg.eigh(importance)

    def solve(self, cross: Tensor, strength: float, towards: Tensor) -> Tensor:
        """W (in, out), float64, from XᵀY; λ is `strength` times the mean of XᵀX's diagonal."""
        held = strength * self._scale
        gains = self._weights.clamp_min(0)
        wanted = self._vectors.T @ cross.double() @ self._directions
        present = self._vectors.T @ towards.double() @ self._directions
        solved = (gains * wanted + held * present) / (self._values.clamp_min(0)[:, None] * gains + held)
        weights: Tensor = self._vectors @ solved @ self._directions.T
        return weights


def regularise(moment: Tensor, strength: float) -> Tensor:
    """The second moment with λ on its diagonal, λ = strength × mean diagonal; float64, positive definite."""
    moment = moment.double()
    return moment + penalty(moment, strength) * torch.eye(len(moment), dtype=torch.float64, device=moment.device)


def penalty(moment: Tensor, strength: float) -> Tensor:
    """λ, a scalar: `strength` times the mean of the moment's diagonal, never zero."""
    return strength * moment.double().diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
