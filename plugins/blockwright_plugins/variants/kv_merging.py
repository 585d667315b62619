"""Merges KV heads and refits the output projection to what the merged attention still sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.building.outputs import refitted_output
from blockwright.child.modeling_blockwright import Attention

if TYPE_CHECKING:
    from blockwright.construction import SubBlockContext


def merged_and_refitted(heads: int, context: SubBlockContext) -> dict[str, Tensor]:
    """Mean-pools K and V heads into `heads` (GQA paper, 2305.13245, section 2.1), then solves for o_proj."""
    weights = {name: tensor.clone() for name, tensor in context.weights.items()}
    for name in ("k_proj", "v_proj"):
        for part in ("weight", "bias"):
            if f"{name}.{part}" in weights:
                weights[f"{name}.{part}"] = _pooled(weights[f"{name}.{part}"], heads, context.shape.head_dim)
    weights["o_proj.weight"] = refitted_output(_attention(heads, weights, context), context)
    return weights


def _pooled(weight: Tensor, heads: int, head_dim: int) -> Tensor:
    """Means over groups of neighbouring heads; rows of `weight` are (kv heads × head_dim)."""
    grouped = weight.unflatten(0, (heads, -1, head_dim))  # (heads, group, head_dim, …)
    pooled: Tensor = grouped.mean(dim=1).flatten(0, 1)
    return pooled


def _attention(heads: int, weights: dict[str, Tensor], context: SubBlockContext) -> Attention:
    import copy

    config = copy.copy(context.stack.config.layer(context.sub_block.layer))
    config.num_key_value_heads = heads
    with torch.device("meta"):
        attention = Attention(config, context.sub_block.layer)
    attention.load_state_dict(weights, assign=True)
    return attention.eval().requires_grad_(False)
