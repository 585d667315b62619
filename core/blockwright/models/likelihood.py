"""How likely a causal LM finds given continuations of given prompts, and text as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Continued = tuple[Sequence[int], Sequence[int]]  # a prompt and what might follow it, as tokens; neither is empty


class Likelihood(NamedTuple):
    """log p of a continuation, in nats, and whether greedy decoding writes it."""

    nats: float
    is_greedy: bool


def log_likelihoods(
    model: PreTrainedModel,
    pairs: Sequence[Continued],
    batch_size: int = 32,
    told: Callable[[int], None] | None = None,
) -> list[Likelihood]:
    """log p(continuation | prompt), summed over the continuation's tokens; `told` hears how many are done.

    Pairs of like length share a batch, padded on the left, so that only logits of continuations are computed.
    """
    found = [Likelihood(0.0, True)] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][0]) + len(pairs[index][1]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        for index, value in zip(chosen, _of_batch(model, [pairs[index] for index in chosen]), strict=True):
            found[index] = value
        if told is not None:
            told(start + len(chosen))
    return found


def perplexity(
    model: PreTrainedModel,
    tokens: Tensor,
    batch_size: int = 8,
    told: Callable[[int], None] | None = None,
) -> float:
    """exp of the mean negative log-likelihood of all tokens (sequences, seq) but the first of each sequence."""
    total, done = 0.0, 0
    for batch in tokens.split(batch_size):
        with torch.inference_mode():
            logits = model(input_ids=batch.to(model.device), use_cache=False).logits[:, :-1].float()
        targets = batch[:, 1:].to(logits.device)
        total += float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
        done += len(batch)
        if told is not None:
            told(done)
    return math.exp(total / (tokens.shape[0] * (tokens.shape[1] - 1)))


def _of_batch(model: PreTrainedModel, pairs: Sequence[Continued]) -> list[Likelihood]:
    rows = [[*prompt, *continuation] for prompt, continuation in pairs]
    width, longest = max(map(len, rows)), max(len(continuation) for _, continuation in pairs)
    tokens = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        logits = model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=longest + 1
        ).logits[:, :-1]  # (rows, longest, vocabulary): each predicts the token after it
    logs, targets = logits.float().log_softmax(-1), tokens[:, -longest:]
    nats, guessed = logs.gather(-1, targets[..., None])[..., 0], logs.argmax(-1) == targets
    lengths = [len(continuation) for _, continuation in pairs]
    return [
        Likelihood(float(nats[row, -length:].sum()), bool(guessed[row, -length:].all()))
        for row, length in enumerate(lengths)
    ]
