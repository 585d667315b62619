"""The search where no child can be put together: one optimum of the sums of scores."""

from __future__ import annotations

from blockwright.problem import Problem, Solver, refuse_unsupported
from blockwright.searching.search import SearchResult


def search_sums(problem: Problem, solver: Solver) -> SearchResult:
    """What the solver answers; nothing is realised. Raises problem.Infeasible when there is no child."""
    refuse_unsupported(solver, problem)
    solution = solver.solve(problem)
    return SearchResult(solution, solution.objective, realised=None, rounds=(), tokens=0)
