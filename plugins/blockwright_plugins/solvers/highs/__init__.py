"""`highs`: the search as a mixed-integer program, solved to proven optimality by HiGHS."""

from __future__ import annotations

import time

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat

from blockwright.errors import UserError
from blockwright.plugins import hookimpl
from blockwright.problem import Infeasible, Problem, Solution, Solver, SolverOptions
from blockwright.solution_rules import ROUNDING
from blockwright_plugins.solvers.highs.checking import refuse_what_is_not_a_number
from blockwright_plugins.solvers.highs.engine import Engine
from blockwright_plugins.solvers.highs.model import Settings
from blockwright_plugins.solvers.highs.reaching import least_and_most

__all__ = ["ROUNDING", "HighsOptions", "HighsSolver", "refuse_what_is_not_a_number"]


class HighsOptions(SolverOptions):
    """`mip_gap` is the relative gap at which a solution counts as proven optimal."""

    time_limit_s: PositiveFloat = 60.0
    mip_gap: NonNegativeFloat = 0.0
    seed: NonNegativeInt = 0


class HighsSolver(Solver):
    """Multiple-choice knapsack: min Σ score·x, one choice a sub-block, Σ cost·x within each limit (Puzzle, 3.3)."""

    name = "highs"
    Options = HighsOptions
    exact = True
    supports = frozenset(
        {"floors", "groups", "joints", "joins", "forced", "forbidden", "ball", "apart", "several_limits"}
    )

    def solve(self, problem: Problem) -> Solution:
        """Raises Infeasible with the least of each resource (the most, where it has a floor) that the rest allows."""
        refuse_what_is_not_a_number(problem)
        start = time.monotonic()
        engine = Engine(problem, self._settings)
        if engine.run():
            return engine.solution(time.monotonic() - start)
        if engine.is_out_of_time:
            limit = f"{self._settings.time_limit_s:g} s"
            raise UserError(f"solver.time_limit_s: {limit} were too few to find a child or to rule one out; allow more")
        least, most = least_and_most(problem, self._settings)
        raise Infeasible(problem.limits, least, problem.floors, most)

    @property
    def _settings(self) -> Settings:
        assert isinstance(self.options, HighsOptions)
        return Settings(self.options.time_limit_s, self.options.mip_gap, self.options.seed)


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [HighsSolver]
