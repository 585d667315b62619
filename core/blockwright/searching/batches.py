"""The batch size as part of the answer: one problem for each, and the one whose best child loses least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blockwright.errors import UserError
from blockwright.problem import Infeasible, Problem, Solution, Solver


@dataclass(frozen=True)
class Tried:
    """One batch size: what its best child is predicted to lose, or None where no child keeps the limits at it."""

    batch: int
    predicted: float | None
    costs: Mapping[str, float]


def best_batch(problems: Mapping[int, Problem], solver: Solver) -> tuple[int, tuple[Tried, ...]]:
    """The batch whose optimum loses least, of equal ones the largest; and what came of all.

    A larger batch makes more tokens a second of the same child and takes more memory, so that neither the smallest nor
    the largest need be best. UserError where no batch has a child.
    """
    tried: list[Tried] = []
    for batch, problem in sorted(problems.items()):
        solution = _solved(problem, solver)
        tried.append(Tried(batch, None, {}) if solution is None else Tried(batch, solution.objective, solution.costs))
    feasible = [(one.predicted, -one.batch) for one in tried if one.predicted is not None]
    if not feasible:
        batches = ", ".join(map(str, sorted(problems)))
        raise UserError(f"search.batches: no child keeps the limits at any of {batches}; allow more, or other batches")
    return -min(feasible)[1], tuple(tried)


def _solved(problem: Problem, solver: Solver) -> Solution | None:
    try:
        return solver.solve(problem)
    except Infeasible:
        return None
