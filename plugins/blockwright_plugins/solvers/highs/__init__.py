"""`highs`: the search as a mixed-integer program, solved to proven optimality by HiGHS."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat

from blockwright.errors import UserError
from blockwright.plugins import hookimpl
from blockwright.problem import Choice, Infeasible, Problem, Solution, Solver, SolverOptions

if TYPE_CHECKING:
    import highspy

INFINITY = 1e30  # beyond what HiGHS treats as infinite (1e20)
ROUNDING = 1e-12  # of a limit, less than a byte of a terabyte; HiGHS itself lets a child pass that is 1e-9 over
SCORES_TO = 1e3  # the largest score after scaling, so that HiGHS' absolute tolerances are small against differences


class HighsOptions(SolverOptions):
    """`mip_gap` is the relative gap at which a solution counts as proven optimal."""

    time_limit_s: PositiveFloat = 60.0
    mip_gap: NonNegativeFloat = 0.0
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class _Column:
    """One binary variable: this sub-block takes this choice."""

    sub_block: str
    choice: Choice


class HighsSolver(Solver):
    """Multiple-choice knapsack: min Σ score·x, one choice a sub-block, Σ cost·x within each limit (Puzzle, 3.3)."""

    name = "highs"
    Options = HighsOptions
    exact = True
    supports = frozenset({"ball", "apart", "several_limits"})

    def solve(self, problem: Problem) -> Solution:
        """Raises Infeasible with the least of each resource that the other limits allow."""
        assert isinstance(self.options, HighsOptions)
        refuse_what_is_not_a_number(problem)
        start = time.monotonic()
        model = _Model(problem, self.options)
        if not model.run():
            if model.out_of_time():
                limit = f"{self.options.time_limit_s:g} s"
                raise UserError(
                    f"solver.time_limit_s: {limit} were too few to find a child or to rule one out; allow more"
                )
            raise Infeasible(problem.limits, self._least_of_each(problem))
        return model.solution(time.monotonic() - start)

    def _least_of_each(self, problem: Problem) -> dict[str, float]:
        """The least of every limited resource: within the other limits where they can be met, else alone.

        Where ball and distances leave no child at all, they are left out too.
        """
        return {resource: self._least(problem, resource) for resource in problem.limits}

    def _least(self, problem: Problem, resource: str) -> float:
        assert isinstance(self.options, HighsOptions)
        others = {name: limit for name, limit in problem.limits.items() if name != resource}
        free = replace(problem, limits={}, ball=None, apart=())
        for relaxed in (replace(problem, limits=others), replace(problem, limits={}), free):
            model = _Model(_minimising(relaxed, resource), self.options)
            if model.run():
                return problem.fixed.get(resource, 0.0) + _total(model.chosen(), resource)
        raise AssertionError("every sub-block has a choice, so without any limit some child exists")


def refuse_what_is_not_a_number(problem: Problem) -> None:
    """ValueError naming the sub-block and variant whose score or cost is missing, NaN or infinite."""
    for name, choices in problem.choices.items():
        if not choices:
            raise ValueError(f"{name}: has no variants to choose from")
        for choice in choices:
            costs = {resource: choice.costs.get(resource, math.nan) for resource in (*choice.costs, *problem.limits)}
            figures = {"score": choice.score, **costs}
            wrong = [f"{what} {figure}" for what, figure in figures.items() if not math.isfinite(figure)]
            if wrong:
                raise ValueError(f"{name}, {choice.variant}: {', '.join(wrong)}; scores and costs must be finite")


def _minimising(problem: Problem, resource: str) -> Problem:
    """The same choices with the resource itself as the score."""
    choices = {
        name: tuple(replace(choice, score=choice.costs[resource]) for choice in options)
        for name, options in problem.choices.items()
    }
    return replace(problem, choices=choices)


def _total(chosen: Mapping[str, Choice], resource: str) -> float:
    return sum(choice.costs[resource] for choice in chosen.values())


class _Model:
    """The program in HiGHS: a binary column a choice, a row a sub-block, limit, ball and distance."""

    def __init__(self, problem: Problem, options: HighsOptions) -> None:
        self.problem = problem
        self.columns = [_Column(name, choice) for name, options_ in problem.choices.items() for choice in options_]
        largest = max((abs(column.choice.score) for column in self.columns), default=0.0)
        self.scale = SCORES_TO / max(largest, 1e-12)
        self.highs = _quiet_highs()
        for option, value in _settings(options).items():
            self.highs.setOptionValue(option, value)
        self._add_columns()
        self._add_rows()

    def run(self) -> bool:
        """Whether there is a solution; one that the time limit cut short counts."""
        while self._run_once():
            chosen = self.chosen()
            if not self._is_over_a_limit(chosen):
                return True
            self._exclude(chosen)
        return False

    def _run_once(self) -> bool:
        import highspy

        self.highs.run()
        return bool(self.highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)

    def _is_over_a_limit(self, chosen: Mapping[str, Choice]) -> bool:
        return any(
            self.problem.fixed.get(resource, 0.0) + _total(chosen, resource) > limit + ROUNDING * abs(limit)
            for resource, limit in self.problem.limits.items()
        )

    def _exclude(self, chosen: Mapping[str, Choice]) -> None:
        same = self._those_of({name: choice.variant for name, choice in chosen.items()})
        self._add_row(-INFINITY, len(chosen) - 1, same)

    def out_of_time(self) -> bool:
        import highspy

        return bool(self.highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit)

    def chosen(self) -> dict[str, Choice]:
        values = self.highs.getSolution().col_value
        return {
            column.sub_block: column.choice for column, value in zip(self.columns, values, strict=True) if value > 0.5
        }

    def solution(self, seconds: float) -> Solution:
        """The choice with its proof, in the units of the problem."""
        import highspy

        chosen, info = self.chosen(), self.highs.getInfo()
        objective = sum(choice.score for choice in chosen.values())
        proven = self.highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        bound = objective if proven and info.mip_gap == 0 else min(objective, info.mip_dual_bound / self.scale)
        resources = sorted({resource for choice in chosen.values() for resource in choice.costs})
        return Solution(
            variants={name: choice.variant for name, choice in chosen.items()},
            objective=objective,
            bound=bound,
            gap=abs(objective - bound) / max(abs(objective), 1e-12) if objective != bound else 0.0,
            status="optimal" if proven else "time_limit",
            seconds=seconds,
            nodes=int(info.mip_node_count),
            costs={name: self.problem.fixed.get(name, 0.0) + _total(chosen, name) for name in resources},
        )

    def _add_columns(self) -> None:
        import highspy

        for index, column in enumerate(self.columns):
            self.highs.addVar(0.0, 1.0)
            self.highs.changeColCost(index, column.choice.score * self.scale)
            self.highs.changeColIntegrality(index, highspy.HighsVarType.kInteger)

    def _add_rows(self) -> None:
        self._add_one_choice_each()
        for resource, limit in self.problem.limits.items():
            self._add_limit(resource, limit)
        ball, sub_blocks = self.problem.ball, len(self.problem.choices)
        if ball is not None:
            self._add_row(sub_blocks - ball.radius, INFINITY, self._those_of(ball.centre))
        for apart in self.problem.apart:
            self._add_row(-INFINITY, sub_blocks - apart.distance, self._those_of(apart.solution))

    def _add_one_choice_each(self) -> None:
        members: dict[str, list[int]] = {name: [] for name in self.problem.choices}
        for index, column in enumerate(self.columns):
            members[column.sub_block].append(index)
        for indices in members.values():
            self._add_row(1.0, 1.0, indices)

    def _add_limit(self, resource: str, limit: float) -> None:
        """In units of the limit itself, so that the row's numbers are near one."""
        unit = max(abs(limit), 1.0)
        left = (limit - self.problem.fixed.get(resource, 0.0)) / unit
        indices = [index for index, column in enumerate(self.columns) if column.choice.costs[resource] != 0]
        self._add_row(
            -INFINITY, left, indices, [self.columns[index].choice.costs[resource] / unit for index in indices]
        )

    def _those_of(self, variants: Mapping[str, str]) -> list[int]:
        """The columns that make the same choice as `variants`."""
        return [
            index for index, column in enumerate(self.columns) if variants[column.sub_block] == column.choice.variant
        ]

    def _add_row(self, low: float, high: float, indices: Sequence[int], values: Sequence[float] = ()) -> None:
        self.highs.addRow(low, high, len(indices), list(indices), list(values) or [1.0] * len(indices))


def _quiet_highs() -> highspy.Highs:
    """HiGHS 1.16 prints a banner on standard output when it enables callbacks, before any option could be set."""
    import highspy

    class Quiet(highspy.Highs):
        def enableCallbacks(self) -> None:
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Quiet()  # type: ignore[no-untyped-call]


def _settings(options: HighsOptions) -> dict[str, bool | int | float]:
    return {
        "time_limit": options.time_limit_s,
        "mip_rel_gap": options.mip_gap,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": 1e-9,
        "random_seed": options.seed,
        "threads": 1,  # several threads may end at different, equally good solutions
    }


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [HighsSolver]
