"""The child's hidden states beside the parent's: which are compared, and how far they point apart.

The states that are compared stay in memory until backward: the child's are there for its own layers anyway, and the
gradient at each of them is as large as the parent's state that it is made from, so that nothing would be saved by
taking the parent's in one by one. No copies are kept, normed or in another precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

SMALLEST_NORM_SQUARED = 1e-24


def layer_map(config: BlockwrightConfig) -> tuple[tuple[int, int], ...]:
    """Pairs (child's, parent's) of indices into transformers' `hidden_states`: 0 is the embedding, i the input of
    layer i, the last what comes out of the final norm.

    The child keeps the parent's numbering, so both numbers of a pair are alike; what is chosen is which states to
    compare. A skipped layer hands on the state that it gets, which has to stand for what the parent has made of it
    by the time that the child's next layer reads it. So a run of skipped layers is compared once, after its last
    layer, together with the layer before it. The same holds for a fused run of FFNs, one wide FFN with skipped
    layers behind it, and for a window of layers that all read one stream: inside them there is nothing of the
    parent's that the child could equal. Layers that are skipped before anything runs are left out: no layer can be
    taught by their states.
    """
    layers = range(config.num_hidden_layers)
    runs = [not {"attention", "mlp"} <= set(config.layer(index).skip) for index in layers]
    first = runs.index(True) if True in runs else len(layers)
    is_read = [runs[index] and not config.shares_input(index) for index in layers[1:]]
    return tuple((index, index) for index, read in enumerate([*is_read, True], start=1) if read and index > first)


def hidden_state_loss(
    child_states: Sequence[Tensor],
    parent_states: Sequence[Tensor],
    pairs: Sequence[tuple[int, int]],
    mask: Tensor | None = None,
) -> Tensor:
    """Mean over pairs and tokens of 1 - cosine of states (…, hidden), summed in float32.

    Gradients go to the child's states alone. The mask (…) is true at tokens that count.
    """
    distances: Callable[[Tensor, Tensor], Tensor] = _CosineDistance.apply
    means = [_mean(distances(child_states[ours], parent_states[theirs]), mask) for ours, theirs in pairs]
    return torch.stack(means).mean()


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    return values.mean() if mask is None else (values * mask).sum() / mask.sum().clamp_min(1)


class _CosineDistance(torch.autograd.Function):
    """1 - x·y / |x||y| of the last dimension; backward reads x and y themselves and two numbers a token."""

    @staticmethod
    def forward(ctx: Any, ours: Tensor, theirs: Tensor) -> Tensor:
        x, y = _for_sums(ours), _for_sums(theirs)
        squared = x.square().sum(dim=-1).clamp_min(SMALLEST_NORM_SQUARED)
        inverse = squared.rsqrt() * y.square().sum(dim=-1).clamp_min(SMALLEST_NORM_SQUARED).rsqrt()
        cosine = (x * y).sum(dim=-1) * inverse
        ctx.save_for_backward(ours, theirs, inverse, cosine / squared)
        return 1 - cosine

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        ours, theirs, inverse, along = ctx.saved_tensors
        gradient = _for_sums(ours) * (along * upstream)[..., None]
        gradient.addcmul_(_for_sums(theirs), (inverse * upstream)[..., None], value=-1)
        return gradient.to(ours.dtype), None


def _for_sums(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
