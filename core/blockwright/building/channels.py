"""Which channels of an FFN to keep, and the down projection that makes the best of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.building.regression import regularise

if TYPE_CHECKING:
    from blockwright.construction import LibrarySettings

Refit = tuple[Tensor, Tensor]  # kept channels, int64 (width,), and the down projection (hidden, width), float32


@dataclass(frozen=True)
class FFNMoments:
    """What the choice of channels reads.

    `features` is H = XᵀX of the channels (width, width), `down` the parent's projection (hidden, width) and
    `gradient` G = E[g gᵀ] at the FFN's output (hidden, hidden).
    """

    features: Tensor
    down: Tensor
    gradient: Tensor


def nested_refits(
    moments: FFNMoments, widths: Sequence[int], settings: LibrarySettings, choice: str = "output"
) -> dict[int, Refit]:
    """Kept channels and refitted down projection at every width, each a subset of the next wider one.

    Channels go a few at a time, those that `choice` (a key of CHANNEL_CHOICES) finds to cost least; at every
    moment the others make up for what has gone as well as they can.
    """
    cost = CHANNEL_CHOICES[choice](moments)
    elimination = Elimination(regularise(moments.features, settings.ridge), moments.down.double().T)
    refits: dict[int, Refit] = {}
    for width in sorted(set(widths), reverse=True):
        while elimination.width > width:
            count = min(settings.channels_at_once, elimination.width - width)
            elimination.drop(torch.topk(cost(elimination), count, largest=False).indices)
        refits[width] = elimination.kept.clone(), elimination.weights.T.contiguous().float()
    return refits


ChannelCost = Callable[["Elimination"], Tensor]  # the cost of losing each channel still kept, (kept,)


def _through_the_output(moments: FFNMoments) -> ChannelCost:
    """(w_jᵀ G w_j) / [H⁻¹]_jj: the rise of E[(g·δ)²] (Optimal Brain Surgeon, Hassibi 1993, seen through the output)."""
    gradient = moments.gradient.double()

    def cost(elimination: Elimination) -> Tensor:
        weights = elimination.weights
        return ((weights @ gradient) * weights).sum(dim=1) / elimination.inverse.diagonal()

    return cost


def _by_magnitude(moments: FFNMoments) -> ChannelCost:
    """RMS activation × norm of the parent's down-projection column (Puzzle, 3.1), the ranking that all others use."""
    ranking = moments.features.double().diagonal().sqrt() * moments.down.double().norm(dim=0)
    return lambda elimination: ranking[elimination.kept]


CHANNEL_CHOICES: Mapping[str, Callable[[FFNMoments], ChannelCost]] = {
    "output": _through_the_output,
    "magnitude": _by_magnitude,
}


def expected_loss(refit: Refit, moments: FFNMoments) -> float:
    """½ Σ E[δᵀ G δ] of a refit over the text of `moments`: what `fisher` expects of it, in closed form."""
    kept, down = refit
    change = -moments.down.double()
    change[:, kept] += down.double()
    return float(((change.T @ moments.gradient.double() @ change) * moments.features.double()).sum() / 2)


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
