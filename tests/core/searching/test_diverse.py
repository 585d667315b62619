"""Several answers of one solver: solutions that differ, and fronts."""

from __future__ import annotations

import itertools

import pytest

from blockwright.contracts.small_problems import children, random_problem
from blockwright.errors import UserError
from blockwright.problem import Infeasible, Problem, Solution, Solver, SolverOptions
from blockwright.searching.diverse import front, solve_many
from blockwright.solution_rules import differences
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver


@pytest.fixture
def highs() -> Solver:
    return HighsSolver(HighsOptions())


def test_solutions_are_the_best_that_keep_their_distance(highs: Solver) -> None:
    problem = random_problem(4)
    found = solve_many(problem, highs, count=4, distance=2)
    expected: list[dict[str, str]] = []
    for _, variants in children(problem):
        if all(differences(variants, earlier) >= 2 for earlier in expected):
            expected.append(dict(variants))
    assert [solution.variants for solution in found] == expected[:4]


def test_solutions_differ_pairwise_and_come_best_first(highs: Solver) -> None:
    found = solve_many(random_problem(2, layers=4), highs, count=5, distance=3)
    pairs = itertools.combinations(found, 2)
    assert all(differences(one.variants, other.variants) >= 3 for one, other in pairs)
    assert [one.objective for one in found] == sorted(one.objective for one in found)


def test_there_are_fewer_solutions_where_there_are_no_more(highs: Solver) -> None:
    problem = random_problem(4, layers=1)
    assert len(solve_many(problem, highs, count=1000, distance=1)) == len(children(problem))


def test_not_even_one_solution_is_infeasible(highs: Solver) -> None:
    problem = Problem(random_problem(0).choices, {"params": -1.0})
    with pytest.raises(Infeasible):
        solve_many(problem, highs, count=3, distance=1)


def test_a_front_answers_every_budget_in_order(highs: Solver) -> None:
    problem = random_problem(1, {"several_limits"})
    budgets = [{"params": share * problem.limits["params"]} for share in (2.0, 1.0, 0.8, 0.0)]
    answers = front(problem, highs, budgets)
    solved = [answer for answer in answers if isinstance(answer, Solution)]
    assert [type(answer).__name__ for answer in answers] == ["Solution"] * 3 + ["Infeasible"]
    assert [one.objective for one in solved] == sorted(one.objective for one in solved)
    assert all(one.costs["params"] <= budget["params"] for one, budget in zip(solved, budgets, strict=False))
    assert all(one.costs["memory"] <= problem.limits["memory"] for one in solved)


def test_a_solver_without_distances_is_refused() -> None:
    class One(Solver):
        name = "one"

        def solve(self, problem: Problem) -> Solution:
            return HighsSolver(HighsOptions()).solve(problem)

    with pytest.raises(UserError, match="'one' does not support apart"):
        solve_many(random_problem(0), One(SolverOptions()), count=2, distance=1)
