"""`lagrange` keeps the contract of solvers, comes near the optimum, and says how near."""

import pytest
from lagrange import Lagrange, LagrangeOptions

from blockwright.contracts.small_problems import children, random_problem
from blockwright.contracts.solvers import SOLVER_CONTRACT
from blockwright.problem import Infeasible


@pytest.mark.parametrize("rule", SOLVER_CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_the_contract(rule):
    rule(Lagrange(LagrangeOptions()))


def test_it_finds_the_optimum_of_most_small_problems_and_never_bounds_it_away():
    found = 0
    for seed in range(30):
        problem = random_problem(seed, ["several_limits"], layers=3)
        optimum, solution = children(problem)[0][0], Lagrange(LagrangeOptions()).solve(problem)
        assert solution.bound <= optimum + 1e-9 and solution.objective >= optimum - 1e-9
        found += solution.objective <= optimum + 1e-9
    assert found >= 20


def test_what_no_choice_allows_is_infeasible():
    problem = random_problem(0, ["forbidden"])
    everything = {name: frozenset(choice.variant for choice in options) for name, options in problem.choices.items()}
    with pytest.raises(Infeasible):
        Lagrange(LagrangeOptions()).solve(type(problem)(**{**vars(problem), "forbidden": everything}))
