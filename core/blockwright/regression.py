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
    penalty = strength * inputs.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    if towards is not None:
        cross = cross + penalty * towards.double()
    regularised = inputs + penalty * torch.eye(len(inputs), dtype=torch.float64, device=inputs.device)
    return torch.cholesky_solve(cross, torch.linalg.cholesky(regularised))


def regularise(moment: Tensor, strength: float) -> Tensor:
    """The second moment with λ on its diagonal, λ = strength × mean diagonal; float64, positive definite."""
    moment = moment.double()
    penalty = strength * moment.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    return moment + penalty * torch.eye(len(moment), dtype=torch.float64, device=moment.device)
