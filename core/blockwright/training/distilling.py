"""Whole-model distillation (GKD; Puzzle, arXiv 2411.19146): a child learns the parent's next-token distributions.

Parent and child each run as one module whose forward pass does all that needs their weights, so that weights which
are divided over processes are whole exactly as long as they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.healing.fused_divergence import fused_divergence
from blockwright.healing.hidden_states import hidden_state_loss, layer_map
from blockwright.models.devices import computing_in
from blockwright.training.batches import Batch
from blockwright.training.models import config_of
from blockwright.training.settings import LossWeights

Pairs = tuple[tuple[int, int], ...]  # hidden states (child's, parent's) that are compared


class Outputs(NamedTuple):
    """After the final norm (sequences, seq, hidden), the output embedding (vocab, hidden), and hidden states."""

    hidden: Tensor
    weight: Tensor
    states: tuple[Tensor, ...]


class Terms(NamedTuple):
    """The parts of the loss, unweighted scalars; each is this batch's share of the whole step's mean."""

    divergence: Tensor
    hidden: Tensor
    language_model: Tensor


@dataclass(frozen=True)
class StepSize:
    """What the whole step's means are over: tokens, and those of them that have a label."""

    tokens: int
    labelled: int


class Teacher(nn.Module):
    """The parent, which keeps only the states that are compared."""

    def __init__(self, model: BlockwrightForCausalLM, pairs: Pairs, computed_in: torch.dtype | None = None) -> None:
        super().__init__()
        self.model, self.wanted = model.eval().requires_grad_(False), [theirs for _, theirs in pairs]
        self.computed_in = computed_in

    def forward(self, batch: Batch) -> Outputs:
        with computing_in(self.computed_in, batch.tokens.device):
            return run_model(self.model, batch, self.wanted)


class Student(nn.Module):
    """The child with its losses; `computed_in` is the precision of its products, None for its weights' own."""

    def __init__(
        self,
        model: BlockwrightForCausalLM,
        losses: LossWeights,
        temperature: float = 1.0,
        computed_in: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.model, self.losses, self.temperature, self.computed_in = model, losses, temperature, computed_in
        self.pairs: Pairs = layer_map(config_of(model)) if losses.hidden else ()

    def forward(self, batch: Batch, target: Outputs | None = None, size: StepSize | None = None) -> Terms | Outputs:
        """The losses against the parent's outputs; without them, the child's own outputs."""
        with computing_in(self.computed_in, batch.tokens.device):
            if target is None or size is None:
                return run_model(self.model, batch, [])
            ours = run_model(self.model, batch, [ours for ours, _ in self.pairs])
            return self._terms(ours, target, batch, size)

    def total(self, terms: Terms) -> Tensor:
        """The weighted sum of the parts."""
        weights = self.losses
        return (
            weights.divergence * terms.divergence
            + weights.hidden * terms.hidden
            + weights.language_model * terms.language_model
        )

    def _terms(self, ours: Outputs, theirs: Outputs, batch: Batch, size: StepSize) -> Terms:
        losses = fused_divergence(
            ours.hidden.flatten(0, 1), ours.weight, theirs.hidden.flatten(0, 1), theirs.weight,
            temperature=self.temperature, tokens=size.tokens,
            labels=batch.labels.flatten() if self.losses.language_model else None,
            labelled=size.labelled,
        )  # fmt: skip
        nothing = losses.divergence.new_zeros(())
        return Terms(
            losses.divergence,
            self._hidden(ours.states, theirs.states) * (batch.tokens.numel() / size.tokens) if self.pairs else nothing,
            nothing if losses.language_model is None else losses.language_model,
        )

    def _hidden(self, ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> Tensor:
        """The states kept are those of the pairs, in their order."""
        return hidden_state_loss(ours, theirs, tuple((place, place) for place in range(len(self.pairs))))


def run_model(model: BlockwrightForCausalLM, batch: Batch, states: list[int]) -> Outputs:
    """A forward pass without logits that keeps the hidden states of these indices (as transformers counts them)."""
    decoder = model.model
    outputs = decoder(
        input_ids=batch.tokens, position_ids=batch.positions, use_cache=False, output_hidden_states=bool(states)
    )
    kept = tuple(outputs.hidden_states[index] for index in states) if states else ()
    return Outputs(outputs.last_hidden_state, model.lm_head.weight, kept)


def forward_of(teacher: Teacher, batch: Batch) -> Outputs:
    """The parent's side, for which nothing is kept to go back through."""
    with torch.no_grad():
        outputs: Outputs = teacher(batch)
    return outputs
