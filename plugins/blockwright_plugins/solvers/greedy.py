"""`greedy`: one cheapest replacement after another, until the limits hold."""

from __future__ import annotations

from collections.abc import Iterator

from blockwright.plugins import hookimpl
from blockwright.problem import Choice, Problem, Solver
from blockwright_plugins.solvers.baseline import Baseline, Child, unchanged

Step = tuple[float, str, Choice]  # score increase per unit saved, sub-block, its new choice


class GreedySolver(Baseline):
    """Starts from the parent and makes the replacement of least score increase per unit saved of the most violated
    limit's resource, again and again, until all limits hold.

    It stands for the budget-constrained greedy algorithm that Puzzle (arXiv 2411.19146, appendix F.2.2) compares with
    its MIP; this is the textbook greedy of knapsack problems, not a transcript of the paper's steps. Steps that would
    put other limits off by more than they gain are passed over; where that leaves none, the fewest changes that lead
    within all limits follow.
    """

    name = "greedy"

    def child(self, problem: Problem) -> Child:
        child = unchanged(problem)
        while not child.fits:
            step = _best_step(child)
            if step is None:
                return child.fewest_changes_that_fit()
            child = child.after(*step)
        return child


def _best_step(child: Child) -> tuple[str, Choice] | None:
    steps = sorted(_steps(child, child.most_violated), key=lambda step: step[0])
    nearer = ((name, choice) for _, name, choice in steps if child.is_nearer_after(name, choice))
    return next(nearer, None)


def _steps(child: Child, resource: str) -> Iterator[Step]:
    """All single replacements that save some of the resource."""
    for name, options in child.problem.choices.items():
        now = child.taken[name]
        for choice in options:
            saved = now.costs[resource] - choice.costs[resource]
            if saved > 0:
                yield (choice.score - now.score) / saved, name, choice


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [GreedySolver]
