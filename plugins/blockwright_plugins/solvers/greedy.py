"""`greedy`: one cheapest replacement after another, until the limits hold."""

from __future__ import annotations

from blockwright.plugins import hookimpl
from blockwright.problem import Problem, Solver
from blockwright_plugins.solvers.baseline import Baseline, Child, unchanged
from blockwright_plugins.solvers.repairing import stepped


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
        child = stepped(unchanged(problem))
        return child if child.fits else child.fewest_changes_that_fit()


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [GreedySolver]
