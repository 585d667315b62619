"""Real children: assembled from the library, measured against the parent, and scored around."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.child.assembly import Assignment, Variants, assemble
from blockwright.events import emit
from blockwright.executors import HERE, Executor
from blockwright.fusion.runs import joined_runs, sketch_layers
from blockwright.fusion.weights import fuse
from blockwright.models.divergence import Reference
from blockwright.models.sensitivity import LayerGradients, divergence_gradient, joined, sampled_gradient, walk_back
from blockwright.models.stack import LayerStack
from blockwright.problem import Join, Joined, Solution
from blockwright.searching.join_scoring import rescore_joins
from blockwright.searching.replacement import Replacements
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.library import Library
    from blockwright.parent import Parent

Labels = Mapping[str, str]  # sub-block -> variant


@dataclass(frozen=True)
class SearchContext:
    """What the search may read: the parent that children are assembled from, the library, and tokens (sequences, seq)
    that the refits have not seen.

    Variants are scored on `tokens`; children are judged on `judging`, which neither scores nor refits have seen.
    What a solver must keep under way goes into `folder`. `teacher` is whom children are compared to, where that is not
    the parent: they start from a healed child in an iterated search, and are measured against the dense parent.
    """

    parent: Parent
    library: Library
    variants: Variants
    tokens: Tensor
    judging: Tensor
    seed: int
    folder: Path
    executor: Executor = HERE
    teacher: Parent | None = None

    @property
    def measure(self) -> Parent:
        """The parent whose distributions a child should keep."""
        return self.teacher or self.parent


class Children:
    """Assembles children from the library; measures them on the judging tokens, scores around them on the others."""

    def __init__(self, context: SearchContext) -> None:
        self.context = context

    def realise(self, variants: Labels, tokens: int | None = None, joined: Joined = ()) -> float:
        """KL(parent‖child) in nats per token of the assembled child, its joined FFNs fused; on about so many tokens,
        or on all of them."""
        child = self._assembled(self.context.library.assignment(variants))
        return realised(child, self._judge, tokens, joined)

    def realise_all(self, solutions: Sequence[Solution], tokens: int | None = None) -> Iterator[float]:
        """`realise` of each; by workers, where the executor has some and there are several."""
        if len(solutions) == 1 or not self.context.executor.apart:
            yield from (self.realise(one.variants, tokens, one.joined) for one in solutions)
            return
        from blockwright.searching.realising_apart import realise_apart

        yield from realise_apart(self.context, self._judge, solutions, tokens)

    def scores_around(self, variants: Labels, samples: int) -> Mapping[str, Mapping[str, float]]:
        """Change of KL, in nats per token, when one sub-block of this child takes another variant.

        First order, ∂KL(parent‖child)/∂output · δ, plus second order, ½ E[(g·δ)²]; δ is the variant's output less
        the present one's, on the child's own stream.
        """
        assignment = self.context.library.assignment(variants)
        stack = self._assembled(assignment)
        head = stack.head()
        head_gradient = joined(
            divergence_gradient(head, self._scored.stream, self._scored.head),
            sampled_gradient(head, samples, self.context.seed),
        )
        scores: dict[str, Mapping[str, float]] = {}
        for at in walk_back(stack, self.context.tokens, head_gradient):
            scores.update(self._layer_scores(at, assignment))
            emit("layer_rescored", done=len(stack) - at.layer, total=len(stack), layer=at.layer)
        return scores

    def joins_around(self, variants: Labels, joins: Iterable[Join]) -> tuple[Join, ...]:
        """Joins with their scores in this child, where it is one that could make them."""
        child = self._assembled(self.context.library.assignment(variants))
        return rescore_joins(self._scored, child, joins)

    def _assembled(self, assignment: Assignment) -> LayerStack:
        return assemble(self.context.parent, self.context.library, assignment, self.context.variants)

    @cached_property
    def _judge(self) -> Reference:
        return Reference(self.context.measure.stack(), self.context.judging)

    @cached_property
    def _scored(self) -> Reference:
        return Reference(self.context.measure.stack(), self.context.tokens)

    def _layer_scores(self, at: LayerGradients, assignment: Assignment) -> dict[str, Mapping[str, float]]:
        return {
            str(sub_block): self._sub_block_scores(sub_block, assignment[sub_block], stream, gradients)
            for sub_block, stream, gradients in at.sides()
        }

    def _sub_block_scores(
        self, sub_block: SubBlock, present: VariantSpec, stream: Tensor, gradients: Tensor
    ) -> Mapping[str, float]:
        replacements = Replacements(self.context.parent, self.context.library, self.context.variants)
        [(_, own)] = replacements.outputs(sub_block, [present], stream)
        others = self.context.library.variants(sub_block)
        return {
            spec.label: 0.0 if spec == present else expansion(gradients[0], gradients[1:], output - own)
            for spec, output in replacements.outputs(sub_block, others, stream)
        }


def realised(child: LayerStack, judge: Reference, tokens: int | None, joins: Joined) -> float:
    """KL(parent‖child) in nats per token with these joins made, on about so many of the judge's tokens or on all."""
    sequences = None if tokens is None else max(1, tokens // judge.tokens.shape[1])
    runs = joined_runs(sketch_layers(child.config), joins)
    return judge.divergence(fuse(child, runs) if runs else child, sequences)


def expansion(slope: Tensor, samples: Tensor, change: Tensor) -> float:
    """Second-order change of the KL in nats per token; slope and change (…, hidden), samples (samples, …, hidden)."""
    first = (slope * change).sum(dim=-1).double().mean()
    second = torch.einsum("s...d,...d->s...", samples, change).double().square().mean() / 2
    return float(first + second)
