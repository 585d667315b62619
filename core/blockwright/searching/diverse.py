"""More than one answer from any solver: solutions that differ, and whole fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from blockwright.problem import Apart, Infeasible, Problem, Solution, Solver, refuse_unsupported


def solve_many(problem: Problem, solver: Solver, count: int, distance: int) -> list[Solution]:
    """Up to `count` solutions, best first, that pairwise differ in at least `distance` sub-blocks.

    Fewer where there are no more; raises Infeasible where there is not even one.
    """
    found: list[Solution] = []
    while len(found) < count:
        try:
            found.append(_solved(_apart_from(problem, found, distance), solver))
        except Infeasible:
            if not found:
                raise
            break
    return sorted(found, key=lambda solution: solution.objective)


def front(problem: Problem, solver: Solver, limits: Sequence[Mapping[str, float]]) -> list[Solution | Infeasible]:
    """One answer for each of the limits, in their order; the problem's own hold where they do not say otherwise."""
    return [_solved_or_not(replace(problem, limits={**problem.limits, **each}), solver) for each in limits]


def _apart_from(problem: Problem, found: Sequence[Solution], distance: int) -> Problem:
    apart = (Apart(solution.variants, distance) for solution in found)
    return replace(problem, apart=(*problem.apart, *apart))


def _solved(problem: Problem, solver: Solver) -> Solution:
    refuse_unsupported(solver, problem)
    return solver.solve(problem)


def _solved_or_not(problem: Problem, solver: Solver) -> Solution | Infeasible:
    try:
        return _solved(problem, solver)
    except Infeasible as error:
        return error
