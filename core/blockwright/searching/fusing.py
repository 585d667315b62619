"""Joins chosen after the variants: what `search.fusion: post` does, on any solver that can choose joins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

from blockwright.problem import Feature, Infeasible, Problem, Solution, Solver
from blockwright.solution_rules import total

Fusion = Literal["off", "post", "joint"]
ROUNDS, LEAST_SHARE = 12, 0.2


class FuseAfterwards(Solver):
    """Solves without joins, joins FFNs of that child, and solves again with limits raised by what joins save.

    That is done while it pays; each child is held to the limits that were asked for. What a child without joins cannot
    reach, it does not find.
    """

    name = "post"
    supports = frozenset(get_args(Feature))  # of which the solver in it may refuse some

    def __init__(self, solver: Solver) -> None:
        super().__init__(solver.options)
        self.solver = solver

    def solve(self, problem: Problem) -> Solution:
        """Never worse than the best child without joins; nothing is proven."""
        best = self._joined(problem, self.solver.solve(replace(problem, joins=())))
        share = 1.0
        for _ in range(ROUNDS):
            if share < LEAST_SHARE:
                break
            found = self._with_raised_limits(problem, best, share)
            if found is not None and found.objective < best.objective:
                best = found
            else:
                share /= 2
        return replace(best, bound=-math.inf, gap=math.inf, status="heuristic")

    def _joined(self, problem: Problem, child: Solution) -> Solution:
        """The same child with the joins that keep the limits and lose least."""
        return self.solver.solve(replace(problem, forced=child.variants, forbidden={}, groups=(), ball=None, apart=()))

    def _with_raised_limits(self, problem: Problem, child: Solution, share: float) -> Solution | None:
        """Another child, of limits raised by a share of what the joins of this one could save; None where it breaks
        the real ones whatever is joined."""
        saved = self._most_saved(problem, child)
        limits = {resource: limit + share * saved.get(resource, 0.0) for resource, limit in problem.limits.items()}
        if limits == dict(problem.limits):
            return None
        try:
            return self._joined(problem, self.solver.solve(replace(problem, joins=(), limits=limits)))
        except Infeasible:
            return None

    def _most_saved(self, problem: Problem, child: Solution) -> Mapping[str, float]:
        """By resource, with as many joins as there can be."""
        eager = tuple(replace(join, score=-1.0) for join in problem.joins)
        alone = replace(problem, joins=eager, limits={}, floors={}, joints=())
        most = self._joined(alone, child).joined
        (_, apart), (_, together) = total(problem, child.variants), total(problem, child.variants, most)
        return {resource: max(0.0, apart[resource] - cost) for resource, cost in together.items()}


def walkers(solver: Solver, fusion: Fusion) -> Mapping[str, Solver]:
    """The solvers that a search goes through, by what the names of its parts begin with.

    `joint` goes through `post` first and on from its best child, so that it never ends worse.
    """
    if fusion == "post":
        return {"": FuseAfterwards(solver)}
    return {"post ": FuseAfterwards(solver), "": solver} if fusion == "joint" else {"": solver}
