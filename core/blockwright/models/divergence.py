"""KL(parent‖child) from final streams, a few rows of vocabulary size at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from blockwright.models.stack import Head

_ROWS_AT_ONCE = 256


def divergence(parent_head: Head, parent_stream: Tensor, child_head: Head, child_stream: Tensor) -> Tensor:
    """KL(parent‖child) in nats at every position, (sequences, seq), from final streams (sequences, seq, hidden)."""
    pairs = zip(_rows(parent_stream), _rows(child_stream), strict=True)
    with torch.no_grad():
        parts = [_rows_divergence(parent_head(parent), child_head(child)) for parent, child in pairs]
    return torch.cat(parts).view(parent_stream.shape[:-1])


def _rows_divergence(parent_logits: Tensor, child_logits: Tensor) -> Tensor:
    parent = torch.log_softmax(parent_logits, dim=-1)
    child = torch.log_softmax(child_logits, dim=-1)
    return (parent.exp() * (parent - child)).sum(dim=-1)


def _rows(stream: Tensor) -> Sequence[Tensor]:
    rows: Sequence[Tensor] = stream.flatten(0, -2).split(_ROWS_AT_ONCE)
    return rows
