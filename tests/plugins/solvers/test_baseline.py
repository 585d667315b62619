"""What holds for every baseline, on random problems with the sub-blocks and variants of small models."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockwright.contracts.solvers import SOLVER_CONTRACT
from blockwright.errors import UserError
from blockwright.plugins import installed_plugins
from blockwright.problem import Ball, Choice, Infeasible, Problem, Solver
from blockwright.solution_rules import broken_rules, check_solution, total
from blockwright.variants import SLOTS

NAMES = ("uniform", "random", "greedy", "max-params", "depth", "attention-drop")
FIND_ANY_CHILD = ("random", "greedy", "max-params")  # those that give up only where there is no child at all
LABELS = ("keep", "half", "skip")

scores = st.floats(-1, 1, width=16)
costs = st.fixed_dictionaries({"params": st.integers(0, 20), "memory": st.integers(0, 20)})


def _solver(name: str, **options: object) -> Solver:
    solver = installed_plugins().solver(name)
    return solver(solver.Options(**options))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    layers = draw(st.integers(1, 2))
    choices = {
        f"{slot}.{layer}": tuple(Choice(label, draw(scores), draw(costs)) for label in LABELS)
        for layer in range(layers)
        for slot in SLOTS
    }
    limits = {name: draw(st.integers(0, 30 * layers)) for name in ("params", "memory")}
    forced = draw(st.dictionaries(st.just("ffn.0"), st.sampled_from(LABELS)))
    forbidden = draw(st.dictionaries(st.sampled_from(sorted(choices)), st.frozensets(st.sampled_from(("half",)))))
    return Problem(choices, limits, {"params": 3}, forced=forced, forbidden=forbidden)


def _children(problem: Problem) -> list[dict[str, str]]:
    """Every child that keeps all rules, by brute force."""
    labels = [[choice.variant for choice in options] for options in problem.choices.values()]
    children = [dict(zip(problem.choices, variants, strict=True)) for variants in itertools.product(*labels)]
    return [child for child in children if not broken_rules(problem, child)]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(problem=problems())
def test_a_baseline_keeps_limits_and_orders_and_reports_true_sums(name: str, problem: Problem) -> None:
    within = _children(problem)
    try:
        solution = _solver(name).solve(problem)
    except Infeasible as error:
        assert set(error.least) == set(problem.limits)
        assert not (within and name in FIND_ANY_CHILD)
        return
    assert check_solution(problem, solution) == []
    assert solution.bound <= min(total(problem, child)[0] for child in within) <= solution.objective
    assert solution.gap >= 0


@pytest.mark.parametrize("name", NAMES)
def test_orders_that_leave_a_sub_block_nothing_are_infeasible(name: str) -> None:
    choices = {"attention.0": (Choice("keep", 0, {"params": 3}), Choice("skip", 1, {"params": 1}))}
    problem = Problem(choices, {"params": 9}, {"params": 1}, forced={"attention.0": "keep"})
    with pytest.raises(Infeasible) as raised:
        _solver(name).solve(replace(problem, forbidden={"attention.0": frozenset({"keep"})}))
    assert raised.value.least == {"params": 2}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_baseline_does_not_look_at_is_refused_rather_than_broken(name: str) -> None:
    choices = {f"{slot}.0": (Choice("keep", 0, {"params": 3}), Choice("skip", 1, {"params": 0})) for slot in SLOTS}
    ball = Problem(choices, {"params": 3}, ball=Ball({"attention.0": "keep", "ffn.0": "keep"}, 1))
    with pytest.raises(UserError, match=f"'{name}' does not support ball"):
        _solver(name).solve(ball)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1e-3, 1, 1e12])
def test_a_budget_is_met_exactly_and_not_by_one_unit_less(name: str, unit: float) -> None:
    whole, none = {"params": 3 * unit}, {"params": 0.0}
    choices = {f"{slot}.0": (Choice("keep", 0, whole), Choice("skip", 1, none)) for slot in SLOTS}
    assert _solver(name).solve(Problem(choices, {"params": 6 * unit})).costs == {"params": 6 * unit}
    assert _solver(name).solve(Problem(choices, {"params": 6 * unit * (1 - 1e-6)})).costs["params"] <= 3 * unit


@pytest.mark.parametrize("name", NAMES)
def test_without_a_limit_that_binds_the_parent_stays_as_it_is(name: str) -> None:
    choices = {f"{slot}.0": (Choice("skip", 1, {"params": 0}), Choice("keep", 0, {"params": 3})) for slot in SLOTS}
    for limits in ({}, {"params": math.inf}, {"params": 6}):
        solution = _solver(name).solve(Problem(choices, limits))
        assert set(solution.variants.values()) == {"keep"}
        assert (solution.objective, solution.gap, solution.status) == (0, 0, "optimal")


@pytest.mark.parametrize("name", NAMES)
def test_equal_problems_have_equal_answers(name: str) -> None:
    choices = {
        f"{slot}.{layer}": (Choice("keep", 0, {"params": 3}), Choice("skip", 1, {"params": 0}))
        for layer in range(6)
        for slot in SLOTS
    }
    problem = Problem(choices, {"params": 27})
    assert _solver(name).solve(problem).variants == _solver(name).solve(problem).variants


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_a_number_is_refused_by_name(name: str) -> None:
    problem = Problem({"attention.7": (Choice("skip", math.nan, {"params": 1}),)}, {"params": 2})
    with pytest.raises(ValueError, match=r"attention\.7, skip: score nan"):
        _solver(name).solve(problem)


@pytest.mark.parametrize("name", FIND_ANY_CHILD)
def test_a_child_is_found_where_limits_pull_apart_and_single_steps_lead_nowhere(name: str) -> None:
    """Halving attention alone puts memory further off than params were; skipping the FFN alone saves no params."""
    choices = {
        "attention.0": (Choice("keep", 0, {"params": 4, "memory": 0}), Choice("half", 1, {"params": 1, "memory": 10})),
        "ffn.0": (Choice("keep", 0, {"params": 4, "memory": 10}), Choice("skip", 2, {"params": 4, "memory": 0})),
    }
    problem = Problem(choices, {"params": 5, "memory": 10})
    assert _solver(name).solve(problem).variants == {"attention.0": "half", "ffn.0": "skip"}


@pytest.mark.parametrize("name", FIND_ANY_CHILD)
def test_limits_that_only_clash_together_say_what_each_can_reach_under_the_other(name: str) -> None:
    options = (Choice("big", 0, {"params": 10, "memory": 1}), Choice("small", 0, {"params": 1, "memory": 10}))
    with pytest.raises(Infeasible) as raised:
        _solver(name).solve(Problem({"ffn.0": options}, {"params": 5, "memory": 5}))
    assert raised.value.least == {"params": 10, "memory": 10}


def test_scorers_that_a_baseline_is_meant_for_are_installed() -> None:
    meant = {name: installed_plugins().solver(name).scored_by for name in NAMES}
    assert {name: scorer for name, scorer in meant.items() if scorer} == {
        "depth": "block-influence",
        "attention-drop": "cosine",
    }
    assert {"block-influence", "cosine"} <= set(installed_plugins().scorers)


@pytest.mark.parametrize("rule", SOLVER_CONTRACT, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_keeps_the_contract(name: str, rule: Callable[[Solver], None]) -> None:
    rule(_solver(name))
