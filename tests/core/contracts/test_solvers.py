"""The solver contract: the built-in solver keeps it, and it catches solvers that lie."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from blockwright.contracts import solvers as contract
from blockwright.contracts.small_problems import children, random_problem
from blockwright.contracts.solvers import SOLVER_CONTRACT
from blockwright.problem import Infeasible, Problem, Solution, Solver, SolverOptions, refuse_unsupported
from blockwright.solution_rules import broken_rules, total
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver

Rule = Callable[[Solver], None]


class BruteForce(Solver):
    """Looks at every child: a sound solver of a few lines."""

    name = "brute-force"
    exact = True

    def solve(self, problem: Problem) -> Solution:
        refuse_unsupported(self, problem)
        found = children(problem)
        if not found:
            raise Infeasible(problem.limits, {"params": self._least(problem)})
        return self.answer(problem, found)

    def answer(self, problem: Problem, found: list[tuple[float, dict[str, str]]]) -> Solution:
        objective, variants = found[0]
        return Solution(variants, objective, objective, 0.0, "optimal", 0.0, 0, total(problem, variants)[1])

    def _least(self, problem: Problem) -> float:
        labels = [[choice.variant for choice in options] for options in problem.choices.values()]
        every = (dict(zip(problem.choices, taken, strict=True)) for taken in itertools.product(*labels))
        return min(total(problem, variants)[1]["params"] for variants in every)


class OverTheLimit(BruteForce):
    def solve(self, problem: Problem) -> Solution:
        return super().solve(replace(problem, limits={name: 1.3 * limit for name, limit in problem.limits.items()}))


class Suboptimal(BruteForce):
    def answer(self, problem: Problem, found: list[tuple[float, dict[str, str]]]) -> Solution:
        return super().answer(problem, found[-1:])


class ModestlySuboptimal(Suboptimal):
    exact = False

    def answer(self, problem: Problem, found: list[tuple[float, dict[str, str]]]) -> Solution:
        return replace(super().answer(problem, found), bound=found[0][0])


class WrongObjective(BruteForce):
    def answer(self, problem: Problem, found: list[tuple[float, dict[str, str]]]) -> Solution:
        sound = super().answer(problem, found)
        return replace(sound, objective=sound.objective - 0.01)


class WrongBound(ModestlySuboptimal):
    def answer(self, problem: Problem, found: list[tuple[float, dict[str, str]]]) -> Solution:
        sound = super().answer(problem, found)
        return replace(sound, bound=sound.objective)


class Careless(BruteForce):
    """Ignores what it does not support."""

    def solve(self, problem: Problem) -> Solution:
        return super().solve(Problem(problem.choices, problem.limits, problem.fixed))


class AnswersAnyway(BruteForce):
    """Where no child fits, the first."""

    def solve(self, problem: Problem) -> Solution:
        try:
            return super().solve(problem)
        except Infeasible:
            return super().solve(replace(problem, limits={}))


class OffByOne(BruteForce):
    """Holds limits to be strict."""

    def solve(self, problem: Problem) -> Solution:
        return super().solve(replace(problem, limits={name: limit - 1e-6 for name, limit in problem.limits.items()}))


class Unsure(HighsSolver):
    """Knows no cheaper child than the dearest."""

    name = "unsure"

    def solve(self, problem: Problem) -> Solution:
        try:
            return super().solve(problem)
        except Infeasible as error:
            raise Infeasible(error.limits, {name: 2 * least for name, least in error.least.items()}) from None


@pytest.mark.parametrize("rule", SOLVER_CONTRACT, ids=lambda rule: rule.__name__)
def test_highs_keeps_the_contract(rule: Rule) -> None:
    rule(HighsSolver(HighsOptions()))


@pytest.mark.parametrize("kind", [BruteForce, ModestlySuboptimal])
@pytest.mark.parametrize("rule", SOLVER_CONTRACT, ids=lambda rule: rule.__name__)
def test_a_sound_solver_of_a_few_lines_keeps_the_contract(rule: Rule, kind: type[Solver]) -> None:
    rule(kind(SolverOptions()))


@pytest.mark.parametrize(
    "kind, rule, sentence",
    [
        (OverTheLimit, contract.solver_keeps_every_limit, "is over the limit of"),
        (OverTheLimit, contract.solver_meets_a_limit_exactly, "is over the limit of"),
        (OffByOne, contract.solver_meets_a_limit_exactly, "found no child though|found .* where the optimum is"),
        (Suboptimal, contract.solver_finds_the_optimum, "where the optimum is"),
        (WrongObjective, contract.solver_finds_the_optimum, "and the scores add up to"),
        (WrongBound, contract.solver_tells_an_honest_bound, "told a bound of"),
        (Careless, contract.solver_refuses_what_it_does_not_support, "which it does not support"),
        (AnswersAnyway, contract.solver_tells_the_least_where_nothing_fits, "instead of raising Infeasible"),
        (Unsure, contract.solver_tells_the_least_where_nothing_fits, "as the least, which is 27"),
    ],
)
def test_a_solver_that_breaks_a_rule_is_caught_by_it(kind: type[Solver], rule: Rule, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        rule(kind(kind.Options()))


def test_random_problems_are_worth_solving() -> None:
    """Most have children, and most of those that have limits lose some by them."""
    problems = [random_problem(seed, {"several_limits"}) for seed in range(30)]
    counts = [len(children(problem)) for problem in problems]
    assert sum(0 < count < 81 for count in counts) > 25
    assert all(not broken_rules(problem, variants) for problem in problems for _, variants in children(problem))
