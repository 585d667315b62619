"""Several solutions of one problem, by any solver."""

from __future__ import annotations

from dataclasses import replace

from blockwright.problem import Apart, Infeasible, Problem, Solution, Solver


def solve_many(problem: Problem, solver: Solver, count: int, distance: int) -> list[Solution]:
    """Up to `count` solutions that pairwise differ in at least `distance` sub-blocks, best first.

    Fewer where there are no more. Raises Infeasible where there is not even one.
    """
    found: list[Solution] = []
    for _ in range(count):
        apart = tuple(Apart(one.variants, min(distance, len(problem.choices))) for one in found)
        try:
            found.append(solver.solve(replace(problem, apart=(*problem.apart, *apart)) if apart else problem))
        except Infeasible:
            if not found:
                raise
            break
    return found
