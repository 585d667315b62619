"""KL(parent‖child) from final streams, a few rows of vocabulary size at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from blockwright.models.stack import Head, LayerStack, run_layers

ROWS_AT_ONCE = 256  # rows of logits in memory: 256 × a vocabulary of 128k in float32 is 0.13 GB


class Reference:
    """The parent on some tokens (sequences, seq), run once, for children to be measured against."""

    def __init__(self, parent: LayerStack, tokens: Tensor) -> None:
        self.tokens, self.head, self.stream = tokens, parent.head(), final_stream(parent, tokens)

    @classmethod
    def of(cls, head: Head, stream: Tensor, tokens: Tensor) -> Reference:
        """From the stream (sequences, seq, hidden) that another process has run the parent for."""
        reference = cls.__new__(cls)
        reference.tokens, reference.head, reference.stream = tokens, head, stream
        return reference

    def divergence(self, child: LayerStack, sequences: int | None = None) -> float:
        """Mean KL(parent‖child) in nats per token, on the first so many sequences or on all."""
        stream = final_stream(child, self.tokens[:sequences])
        return float(divergence(self.head, self.stream[:sequences], child.head(), stream).double().mean())


def final_stream(stack: LayerStack, tokens: Tensor) -> Tensor:
    """The residual stream (sequences, seq, hidden) after all layers, before the final norm."""
    with torch.no_grad():
        return run_layers(stack, stack.embed(tokens))


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


def kl_and_agreement(parent: Tensor, child: Tensor) -> Tensor:
    """Of log-probabilities (rows, vocab), summed over rows, float64 (2,): KL(parent‖child), and equal top tokens."""
    kl = (parent.exp() * (parent - child)).sum(dim=-1).double().sum()
    return torch.stack([kl, (parent.argmax(dim=-1) == child.argmax(dim=-1)).sum().double()])


def _rows(stream: Tensor) -> Sequence[Tensor]:
    rows: Sequence[Tensor] = stream.flatten(0, -2).split(ROWS_AT_ONCE)
    return rows
