"""The search: solve on scores, then re-score around the incumbent child and solve again, keeping only what pays.

Scores of single replacements add up to too little, since replacements meet each other. So the chosen child is
assembled and measured, every variant is scored again as a change of that child, and the solver looks for a better
one within a Hamming ball; a round whose child is not truly better is undone and the ball shrinks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt
from torch import Tensor

from blockwright.child.assembly import Assignment, Variants, assemble
from blockwright.events import emit
from blockwright.models.divergence import divergence
from blockwright.models.sensitivity import LayerGradients, divergence_gradient, joined, sampled_gradient, walk_back
from blockwright.models.stack import run_layers
from blockwright.problem import Ball, Choice, Problem, Solution, Solver
from blockwright.searching.replacement import Replacements
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.library import Library
    from blockwright.parent import Parent


class SearchSettings(BaseModel):
    """The recipe's `search` section. `rounds: 0` solves once on the scores and stops."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rounds: NonNegativeInt = 6
    radius: PositiveInt = 24
    samples: PositiveInt = 2


@dataclass(frozen=True)
class SearchContext:
    """What the search may read: the parent, the library, and tokens (sequences, seq) that the refits have not seen."""

    parent: Parent
    library: Library
    variants: Variants
    tokens: Tensor
    seed: int


@dataclass(frozen=True)
class Round:
    """One round: the ball's radius, the KL that sums predicted and that the child realised, and whether it was kept."""

    radius: int
    changed: int
    predicted: float
    realised: float
    kept: bool


@dataclass(frozen=True)
class SearchResult:
    """The chosen child. `predicted` is its sum of single-replacement scores, `realised` its KL, in nats per token,
    both on the tokens of the search."""

    solution: Solution
    predicted: float
    realised: float
    rounds: tuple[Round, ...]

    def to_dict(self) -> dict[str, object]:
        """JSON-safe; without seconds, so that equal searches give equal bytes."""
        solution = asdict(self.solution)
        del solution["seconds"]
        return {
            "solution": solution,
            "predicted": self.predicted,
            "realised": self.realised,
            "rounds": [asdict(one) for one in self.rounds],
        }


def search(context: SearchContext, problem: Problem, solver: Solver, settings: SearchSettings) -> SearchResult:
    """The best child found within the problem's limits; raises problem.Infeasible when there is none."""
    solution = solver.solve(problem)
    children = Children(context)
    realised = children.realise(solution.variants)
    first = Round(len(problem.choices), len(problem.choices), solution.objective, realised, True)
    rounds, radius, around = [first], settings.radius, None
    emit("child_realised", done=0, total=settings.rounds, predicted=solution.objective, realised=realised)
    for number in range(settings.rounds):
        if radius < 1:
            break
        around = around or children.scores_around(solution.variants, problem, settings.samples)
        candidate = solver.solve(_recentred(problem, around, solution.variants, radius))
        candidate_kl = children.realise(candidate.variants)
        kept = candidate_kl < realised
        changed = sum(candidate.variants[name] != variant for name, variant in solution.variants.items())
        rounds.append(Round(radius, changed, realised + candidate.objective, candidate_kl, kept))
        emit("child_realised", done=number + 1, total=settings.rounds, realised=candidate_kl, kept=kept)
        if kept:
            solution, realised, around = candidate, candidate_kl, None
        else:
            radius //= 2
    predicted = _sum_of_scores(problem, solution.variants)
    return SearchResult(_priced_by_sums(solution, predicted), predicted, realised, tuple(rounds))


def _recentred(
    problem: Problem, around: Mapping[str, Mapping[str, float]], centre: Mapping[str, str], radius: int
) -> Problem:
    """The same limits with scores around `centre`, within the ball."""
    choices = {
        name: tuple(Choice(choice.variant, around[name][choice.variant], choice.costs) for choice in options)
        for name, options in problem.choices.items()
    }
    return replace(problem, choices=choices, ball=Ball(centre, radius))


def _sum_of_scores(problem: Problem, variants: Mapping[str, str]) -> float:
    return sum(
        choice.score
        for name, options in problem.choices.items()
        for choice in options
        if choice.variant == variants[name]
    )


def _priced_by_sums(solution: Solution, predicted: float) -> Solution:
    """Around a child, an objective is a change; the one reported is the sum of scores, its bound moved alike."""
    return replace(solution, objective=predicted, bound=predicted - (solution.objective - solution.bound))


class Children:
    """Assembles children from the library and measures them on the tokens of the search."""

    def __init__(self, context: SearchContext) -> None:
        self.context = context
        stack = context.parent.stack()
        self.parent_stream = run_layers(stack, stack.embed(context.tokens))
        self.parent_head = stack.head()

    def realise(self, variants: Mapping[str, str]) -> float:
        """KL(parent‖child) in nats per token of the assembled child."""
        stack = assemble(self.context.parent, self.context.library, self.assignment(variants), self.context.variants)
        stream = run_layers(stack, stack.embed(self.context.tokens))
        return float(divergence(self.parent_head, self.parent_stream, stack.head(), stream).double().mean())

    def assignment(self, variants: Mapping[str, str]) -> Assignment:
        """From labels to concrete variants."""
        library = self.context.library
        return {
            sub_block: next(spec for spec in library.variants(sub_block) if spec.label == variants[str(sub_block)])
            for sub_block in map(SubBlock.parse, variants)
        }

    def scores_around(
        self, variants: Mapping[str, str], problem: Problem, samples: int
    ) -> Mapping[str, Mapping[str, float]]:
        """Change of KL, in nats per token, when one sub-block of this child takes another variant.

        First order, ∂KL(parent‖child)/∂output · δ, plus second order, ½ E[(g·δ)²]; δ is the variant's output less
        the present one's, on the child's own stream.
        """
        assignment = self.assignment(variants)
        stack = assemble(self.context.parent, self.context.library, assignment, self.context.variants)
        head = stack.head()
        head_gradient = joined(
            divergence_gradient(head, self.parent_stream, self.parent_head),
            sampled_gradient(head, samples, self.context.seed),
        )
        scores: dict[str, Mapping[str, float]] = {}
        for at in walk_back(stack, self.context.tokens, head_gradient):
            scores.update(self._layer_scores(at, assignment))
            emit("layer_rescored", done=len(stack) - at.layer, total=len(stack), layer=at.layer)
        return scores

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


def expansion(slope: Tensor, samples: Tensor, change: Tensor) -> float:
    """Second-order change of the KL in nats per token; slope and change (…, hidden), samples (samples, …, hidden)."""
    first = (slope * change).sum(dim=-1).double().mean()
    second = torch.einsum("s...d,...d->s...", samples, change).double().square().mean() / 2
    return float(first + second)
