"""HiGHS at work on a program, and its answer in the units of the problem."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.problem import Problem, Solution
from blockwright.solution_rules import broken_rules, total
from blockwright_plugins.solvers.highs.program import Program, program_of

if TYPE_CHECKING:
    import highspy

SCORES_TO = 1e3  # the largest score after scaling, so that HiGHS' absolute tolerances are small against differences


@dataclass(frozen=True)
class Settings:
    """When to stop, and the seed."""

    time_limit_s: float
    mip_gap: float
    seed: int


class Engine:
    """One solve; the answer is checked by the rules of problems, in exact sums."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self.problem, self.settings = problem, settings
        self.program = program_of(problem)
        largest = max((abs(part.score) for part in self.program.variables.parts), default=0.0)
        self.scale = SCORES_TO / (largest or 1.0)
        self.highs = _quiet_highs()
        for option, value in _options(settings).items():
            self.highs.setOptionValue(option, value)
        self.highs.passModel(_model(self.program, self.scale))

    def run(self) -> bool:
        """Whether there is a solution; one that the time limit cut short counts.

        HiGHS lets a child pass that is 1e-9 over a limit: such a one is excluded, and the rest solved again.
        """
        end = time.monotonic() + self.settings.time_limit_s
        while self._run_once(end - time.monotonic()):
            if not broken_rules(self.problem, self.variants()):
                return True
            self._exclude(self.variants())
        return False

    def _run_once(self, seconds: float) -> bool:
        import highspy

        self.highs.setOptionValue("time_limit", self.highs.getRunTime() + max(seconds, 0.0))
        self.highs.run()
        return bool(self.highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)

    def _exclude(self, variants: Mapping[str, str]) -> None:
        row = self.program.all_but(variants)
        self.highs.addRow(row.low, row.high, len(row.terms), list(row.terms), list(row.terms.values()))

    @property
    def is_out_of_time(self) -> bool:
        import highspy

        return bool(self.highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit)

    def variants(self) -> dict[str, str]:
        """The child, in the order of the problem."""
        taken = self.program.child(self.highs.getSolution().col_value)
        return {name: taken[name] for name in self.problem.choices if name in taken}

    def solution(self, seconds: float) -> Solution:
        """The child with its proof."""
        import highspy

        variants, info = self.variants(), self.highs.getInfo()
        objective, costs = total(self.problem, variants)
        proven = self.highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        bound = objective if proven and info.mip_gap == 0 else min(objective, info.mip_dual_bound / self.scale)
        return Solution(
            variants=variants,
            objective=objective,
            bound=bound,
            gap=abs(objective - bound) / max(abs(objective), 1e-12) if objective != bound else 0.0,
            status="optimal" if proven else "time_limit",
            seconds=seconds,
            nodes=int(info.mip_node_count),
            costs=costs,
        )


def _model(program: Program, scale: float) -> highspy.HighsLp:
    """Links are whole where the columns are, so HiGHS need not branch on them."""
    import highspy

    parts, columns = program.variables.parts, len(program.variables.columns)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(parts), len(program.rows)
    model.col_cost_ = [part.score * scale for part in parts]
    model.col_lower_ = [0.0] * len(parts)
    model.col_upper_ = [0.0 if number in program.impossible else 1.0 for number in range(len(parts))]
    kinds = highspy.HighsVarType
    model.integrality_ = [kinds.kInteger] * columns + [kinds.kContinuous] * (len(parts) - columns)
    model.row_lower_ = [row.low for row in program.rows]
    model.row_upper_ = [row.high for row in program.rows]
    _fill(model.a_matrix_, program)
    return model


def _fill(matrix: highspy.HighsSparseMatrix, program: Program) -> None:
    import highspy

    matrix.format_ = highspy.MatrixFormat.kRowwise
    starts = [0]
    for row in program.rows:
        starts.append(starts[-1] + len(row.terms))
    matrix.start_ = starts
    matrix.index_ = [number for row in program.rows for number in row.terms]
    matrix.value_ = [value for row in program.rows for value in row.terms.values()]


def _quiet_highs() -> highspy.Highs:
    """HiGHS 1.16 prints a banner on standard output when it enables callbacks, before any option could be set."""
    import highspy

    class Quiet(highspy.Highs):
        def enableCallbacks(self) -> None:
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Quiet()  # type: ignore[no-untyped-call]


def _options(settings: Settings) -> dict[str, bool | int | float]:
    return {
        "mip_rel_gap": settings.mip_gap,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": 1e-9,
        "random_seed": settings.seed,
        "threads": 1,  # several threads may end at different, equally good solutions
    }
