import random

import pytest
from pydantic import ValidationError

from blockwright.problem import Choice, Infeasible, Problem, Solution
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver
from blockwright_plugins.solvers.random_choice import RandomOptions, RandomSolver


def _problem(limit: float = 60, layers: int = 12) -> Problem:
    draw = random.Random(4)
    choices = {
        f"ffn.{layer}": tuple(Choice(f"v{one}", draw.random() * one, {"params": 10 - 2 * one}) for one in range(6))
        for layer in range(layers)
    }
    return Problem(choices, {"params": limit})


def _solve(problem: Problem, **options: int) -> Solution:
    return RandomSolver(RandomOptions(**options)).solve(problem)


def test_equal_seeds_draw_equal_children_and_others_do_not() -> None:
    assert _solve(_problem(), samples=1, seed=3).variants == _solve(_problem(), samples=1, seed=3).variants
    drawn = {tuple(_solve(_problem(), samples=1, seed=seed).variants.values()) for seed in range(8)}
    assert len(drawn) == 8


def test_more_samples_are_never_worse() -> None:
    scores = [_solve(_problem(), samples=samples, seed=1).objective for samples in (1, 10, 100)]
    assert scores[0] > scores[2]
    assert scores == sorted(scores, reverse=True)


def test_it_stops_at_the_limit_rather_than_far_below_it() -> None:
    taken = [_solve(_problem(), samples=1, seed=seed).costs["params"] for seed in range(20)]
    assert all(50 < params <= 60 for params in taken)


def test_random_children_are_no_better_than_the_optimum_and_with_few_samples_worse() -> None:
    best = HighsSolver(HighsOptions()).solve(_problem()).objective
    assert _solve(_problem(), samples=1000).objective >= best
    assert _solve(_problem(), samples=1).objective > 1.5 * best


def test_the_only_child_within_the_limits_is_found_in_one_draw() -> None:
    assert set(_solve(_problem(limit=0), samples=1).variants.values()) == {"v5"}


def test_an_impossible_budget_says_what_can_be_reached() -> None:
    with pytest.raises(Infeasible) as raised:
        _solve(Problem(_problem().choices, {"params": 7}, {"params": 8}))
    assert raised.value.least == {"params": 8}


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValidationError, match="samples"):
        RandomOptions(samples=0)
