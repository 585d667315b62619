"""Solvers that only remove: one part after another, the least important first, until the limits hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from blockwright.problem import Choice, Problem
from blockwright_plugins.solvers.baseline import Baseline, Child, none_fits, unchanged

Removal = dict[str, Choice]  # the `skip` of each sub-block that goes at once


class RemovalSolver(Baseline):
    """Everything else stays as the parent has it."""

    @abstractmethod
    def removals(self, problem: Problem) -> Sequence[Removal]:
        """What can be removed, in any order."""

    def child(self, problem: Problem) -> Child:
        child = unchanged(problem)
        children = [child]
        for removal in sorted(self.removals(problem), key=_score):
            if child.fits:
                return child
            child = Child(problem, {**child.taken, **removal})
            children.append(child)
        if not child.fits:
            raise none_fits(problem, children)
        return child


def _score(removal: Removal) -> float:
    return sum(choice.score for choice in removal.values())


def skip_of(problem: Problem, name: str) -> Choice | None:
    """The sub-block's `skip`, where it is there and may go."""
    return next((choice for choice in problem.choices.get(name, ()) if choice.variant == "skip"), None)
