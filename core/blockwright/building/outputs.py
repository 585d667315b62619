"""The output projection of an attention, refitted to what a replacement still sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from blockwright.building.regression import ridge

if TYPE_CHECKING:
    from blockwright.construction import SubBlockContext


def refitted_output(replacement: nn.Module, context: SubBlockContext, windows: Iterable[int | None] = ()) -> Tensor:
    """o_proj (hidden, heads × head_dim) by ridge from the replacement's features to the parent's output.

    Its `features(x, **attention arguments)` must be as wide as the parent's, whose own o_proj the ridge is held to.
    `windows`: those that the replacement sees, where they are not the parent's.
    """
    own = context.weights["o_proj.weight"].double().T
    arguments = context.attention_arguments_for(windows)
    moment = torch.zeros(len(own), len(own), dtype=torch.float64)
    across = torch.zeros_like(moment)
    for normed in context.batches():
        with torch.no_grad():
            features = replacement.features(normed, **arguments).flatten(0, -2)  # type: ignore[operator]
            wanted = context.module.features(normed, **arguments).flatten(0, -2)  # type: ignore[operator]
        moment += features.T @ features
        across += features.T @ wanted
    return ridge(moment, across @ own, context.settings.ridge, towards=own).T.float()
