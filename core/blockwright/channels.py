"""Which channels of an FFN to keep, and the down projection that makes the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.regression import regularise

if TYPE_CHECKING:
    from blockwright.construction import LibrarySettings

Refit = tuple[Tensor, Tensor]  # kept channels, int64 (width,), and the down projection (hidden, width), float32


def nested_refits(
    features: Tensor, down: Tensor, gradient_moment: Tensor, widths: Sequence[int], settings: LibrarySettings
) -> dict[int, Refit]:
    """Kept channels and refitted down projection at every width, each a subset of the next wider one.

    `features` is H = XᵀX of the channels (width, width), `down` the parent's (hidden, width), `gradient_moment`
    G = E[g gᵀ] at the FFN's output (hidden, hidden). Channels go a few at a time, those of least
    (w_jᵀ G w_j) / [H⁻¹]_jj: the rise of ½ E[(g·δ)²] when channel j goes and the others make up for it as well
    as they can (Optimal Brain Surgeon, Hassibi 1993, seen through the output).
    """
    elimination = Elimination(regularise(features, settings.ridge), down.double().T)
    refits: dict[int, Refit] = {}
    for width in sorted(set(widths), reverse=True):
        while elimination.width > width:
            count = min(settings.channels_at_once, elimination.width - width)
            elimination.drop(_least_costly(elimination, gradient_moment.double(), count))
        refits[width] = elimination.kept.clone(), elimination.weights.T.contiguous().float()
    return refits


def _least_costly(elimination: Elimination, gradient_moment: Tensor, count: int) -> Tensor:
    weights = elimination.weights
    through_the_output = ((weights @ gradient_moment) * weights).sum(dim=1)
    return torch.topk(through_the_output / elimination.inverse.diagonal(), count, largest=False).indices


class Elimination:
    """Least squares that loses features, some at a time, with the inverse and the weights kept up to date.

    `inverse` is the inverse of the kept part of the moment (kept, kept); `weights` (kept, out) solve
    min ‖X_kept W − X W_parent‖² at every moment, for the cost of the rows dropped alone.
    """

    def __init__(self, moment: Tensor, weights: Tensor) -> None:
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(moment))
        self.weights = weights
        self.kept = torch.arange(len(moment), device=moment.device)

    @property
    def width(self) -> int:
        return len(self.kept)

    def drop(self, positions: Tensor) -> None:
        """Drops the features at `positions` among those kept; the rest take over what they can (block OBS update)."""
        stay = torch.ones(self.width, dtype=torch.bool, device=self.kept.device)
        stay[positions] = False
        across = self.inverse[stay][:, positions]  # (stay, gone)
        corner = torch.linalg.cholesky(self.inverse[positions][:, positions])
        self.weights = self.weights[stay] - across @ torch.cholesky_solve(self.weights[positions], corner)
        self.inverse = self.inverse[stay][:, stay] - across @ torch.cholesky_solve(across.T, corner)
        self.kept = self.kept[stay]
