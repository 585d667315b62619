"""HiGHS at work on a program, and its answer in the units of the problem."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from blockwright.problem import Joined, Problem, Solution
from blockwright.solution_rules import broken_rules, total
from blockwright_plugins.solvers.highs.model import Settings, loaded, run, scale_of
from blockwright_plugins.solvers.highs.program import program_of
from blockwright_plugins.solvers.highs.starting import start_of

if TYPE_CHECKING:
    import highspy


class Engine:
    """One solve; the answer is checked by the rules of problems, in exact sums."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self.problem, self.settings = problem, settings
        self.end = time.monotonic() + settings.time_limit_s
        self.program = program_of(problem)
        self.scale = scale_of(self.program)
        self.start = start_of(problem, self.program, settings)
        self.highs = self._loaded()

    def run(self) -> bool:
        """Whether there is a solution; one that the time limit cut short counts.

        HiGHS lets a child pass that is 1e-9 over a limit: such a one is excluded, and the rest solved again.
        """
        while self._run_once():
            if not broken_rules(self.problem, self.variants(), self.joined()):
                return True
            self._exclude()
        return False

    def _loaded(self) -> highspy.Highs:
        """From a start, HiGHS needs neither what cannot be better nor its own heuristics, half of its time."""
        if self.start is None:
            return loaded(self.program, self.settings)
        hopeless = self.program.impossible | self.start.hopeless
        highs = loaded(replace(self.program, impossible=hopeless), self.settings)
        for heuristic in ("rins", "rens", "root_reduced_cost"):
            highs.setOptionValue(f"mip_heuristic_run_{heuristic}", False)
        highs.setSolution(_solution_of(self.start.values))
        return highs

    def _run_once(self) -> bool:
        import highspy

        run(self.highs, self.end - time.monotonic())
        return bool(self.highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)

    def _exclude(self) -> None:
        row = self.program.all_but(self.variants(), self.joined())
        self.highs.addRow(row.low, row.high, len(row.terms), list(row.terms), list(row.terms.values()))

    @property
    def is_out_of_time(self) -> bool:
        import highspy

        return bool(self.highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit)

    def variants(self) -> dict[str, str]:
        """The child, in the order of the problem."""
        taken = self.program.child(self.highs.getSolution().col_value)
        return {name: taken[name] for name in self.problem.choices if name in taken}

    def joined(self) -> Joined:
        """The joins that it makes."""
        return self.program.joined(self.highs.getSolution().col_value)

    def solution(self, seconds: float) -> Solution:
        """The child with its proof."""
        import highspy

        variants, joined, info = self.variants(), self.joined(), self.highs.getInfo()
        objective, costs = total(self.problem, variants, joined)
        proven = self.highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        bound = objective if proven and info.mip_gap == 0 else min(objective, self._bound(info.mip_dual_bound))
        return Solution(
            variants=variants,
            objective=objective,
            bound=bound,
            gap=abs(objective - bound) / max(abs(objective), 1e-12) if objective != bound else 0.0,
            status="optimal" if proven else "time_limit",
            seconds=seconds,
            nodes=max(0, int(info.mip_node_count)),
            costs=costs,
            joined=joined,
        )

    def _bound(self, told: float) -> float:
        """In the units of scores; the start's, where HiGHS was cut short before it had a better one."""
        return told / self.scale if self.start is None else max(told / self.scale, self.start.bound)


def _solution_of(values: Sequence[float]) -> highspy.HighsSolution:
    import highspy

    solution = highspy.HighsSolution()
    solution.col_value = list(values)
    return solution
