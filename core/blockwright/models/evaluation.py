"""What a child kept of its parent: KL divergence, agreement and perplexities on held-out text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from blockwright.models.divergence import ROWS_AT_ONCE, final_stream, kl_and_agreement
from blockwright.models.stack import Head, LayerStack


@dataclass(frozen=True)
class Evaluation:
    """A child against its parent, means over all positions that have a next token.

    `kl_nats_per_token` is KL(parent‖child); the perplexities are of the real next tokens.
    """

    kl_nats_per_token: float
    top1_agreement: float
    parent_perplexity: float
    child_perplexity: float
    tokens: int

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def evaluate(parent: LayerStack, child: LayerStack, tokens: Tensor) -> Evaluation:
    """Runs both over tokens (sequences, seq), layer by layer; two streams of activations are all that is held."""
    parent_stream, child_stream = final_stream(parent, tokens), final_stream(child, tokens)
    targets = tokens[:, 1:].flatten().to(parent.device)
    parent_head, child_head = parent.head(), child.head()
    sums = torch.zeros(4, dtype=torch.float64, device=parent.device)
    chunks = zip(_predicting(parent_stream), _predicting(child_stream), targets.split(ROWS_AT_ONCE), strict=True)
    with torch.no_grad():
        for parent_rows, child_rows, next_tokens in chunks:
            sums += _sums(
                _log_probabilities(parent_head, parent_rows), _log_probabilities(child_head, child_rows), next_tokens
            )
    return _evaluation(sums.tolist(), targets.numel())


def _predicting(stream: Tensor) -> Iterator[Tensor]:
    """The positions that have a next token, (rows, hidden) a chunk, without a copy of the whole stream."""
    sequences, length, _ = stream.shape
    rows = sequences * (length - 1)
    for start in range(0, rows, ROWS_AT_ONCE):
        index = torch.arange(start, min(start + ROWS_AT_ONCE, rows), device=stream.device)
        yield stream[index // (length - 1), index % (length - 1)]


def _log_probabilities(head: Head, rows: Tensor) -> Tensor:
    logits: Tensor = head(rows)
    return logits.float().log_softmax(dim=-1)


def _sums(parent: Tensor, child: Tensor, next_tokens: Tensor) -> Tensor:
    """Summed over rows: KL, equal top tokens, negative log-likelihoods of parent and child."""
    likelihoods = [-logs.gather(1, next_tokens[:, None]).double().sum() for logs in (parent, child)]
    return torch.cat([kl_and_agreement(parent, child), torch.stack(likelihoods)])


def _evaluation(sums: list[float], count: int) -> Evaluation:
    kl, agreed, parent_loss, child_loss = (total / count for total in sums)
    return Evaluation(kl, agreed, math.exp(parent_loss), math.exp(child_loss), count)
