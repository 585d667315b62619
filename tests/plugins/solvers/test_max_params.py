import itertools
import random
import time

import pytest

from blockwright.errors import UserError
from blockwright.problem import Choice, Infeasible, Problem, Solution
from blockwright.solution_rules import broken_rules, total
from blockwright_plugins.solvers.max_params import MaxParamsOptions, MaxParamsSolver


def _solve(problem: Problem, **options: float) -> Solution:
    return MaxParamsSolver(MaxParamsOptions(**options)).solve(problem)  # type: ignore[arg-type]


def _choice(label: str, score: float, params: float, ms: float) -> Choice:
    return Choice(label, score, {"params": params, "ms": ms})


def test_it_keeps_what_has_most_parameters_for_its_time_whatever_it_is_good_for() -> None:
    choices = {
        "attention.0": (_choice("keep", 0, 4, 6), _choice("skip", 100, 0, 0)),
        "ffn.0": (_choice("keep", 0, 12, 5), _choice("skip", 1, 0, 0)),
    }
    assert _solve(Problem(choices, {"ms": 6})).variants == {"attention.0": "skip", "ffn.0": "keep"}


def test_of_equally_many_parameters_the_least_score_decides() -> None:
    choices = {
        f"ffn.{layer}": (_choice("keep", 0, 10, 1), _choice("half", layer + 1, 5, 1), _choice("also half", 9, 5, 1))
        for layer in (2, 0, 1)
    }
    solution = _solve(Problem(choices, {"params": 25, "ms": 3}))
    assert solution.variants == {"ffn.2": "keep", "ffn.0": "half", "ffn.1": "keep"}
    assert solution.objective == 1


def test_in_a_large_model_not_one_parameter_is_given_away_for_score() -> None:
    choices = {
        "ffn.0": (_choice("keep", 0.0, 10**10, 2), _choice("less", 0.0, 10**10 - 4096, 1), _choice("least", 0.0, 0, 0)),
        "ffn.1": (
            _choice("keep", 0.0, 10**10, 2),
            _choice("less", -9.0, 10**10 - 8192, 1),
            _choice("least", 0.0, 0, 0),
        ),
    }
    assert _solve(Problem(choices, {"ms": 3})).variants == {"ffn.0": "less", "ffn.1": "keep"}


def test_one_sub_block_may_change_alone() -> None:
    choices = {"ffn.0": (_choice("keep", 0, 5, 1), _choice("other", -1, 5, 1), _choice("slow", -2, 5, 9))}
    assert _solve(Problem(choices, {"ms": 1})).variants == {"ffn.0": "other"}


@pytest.mark.parametrize("seed", range(10))
def test_no_child_within_the_limits_has_more_parameters(seed: int) -> None:
    draw = random.Random(seed)
    choices = {
        f"ffn.{layer}": tuple(_choice(f"v{one}", draw.random(), draw.randint(0, 99), draw.random()) for one in range(4))
        for layer in range(4)
    }
    problem = Problem(choices, {"ms": 2.0}, {"params": 7})
    children = [
        dict(zip(choices, labels, strict=True)) for labels in itertools.product(*(["v0", "v1", "v2", "v3"],) * 4)
    ]
    within = [total(problem, child)[1] for child in children if not broken_rules(problem, child)]
    assert _solve(problem, mip_gap=0).costs["params"] == max(costs["params"] for costs in within)


def test_no_exchange_between_two_sub_blocks_is_left_that_would_lower_the_score() -> None:
    draw = random.Random(1)
    choices = {
        f"ffn.{layer}": tuple(_choice(f"v{one}", draw.random(), 5 * one, 1.0) for one in range(4))
        for layer in range(20)
    }
    problem = Problem(choices, {"params": 150})
    solution = _solve(problem)
    assert solution.costs["params"] == 150
    for first, second in itertools.combinations(choices, 2):
        for labels in itertools.product(["v0", "v1", "v2", "v3"], repeat=2):
            score, costs = total(problem, {**solution.variants, first: labels[0], second: labels[1]})
            assert costs["params"] != 150 or score >= solution.objective


def test_a_large_model_with_two_limits_takes_seconds() -> None:
    draw = random.Random(3)
    choices = {
        f"{slot}.{layer}": tuple(
            _choice(f"v{one}", draw.random() * one, params / (one + 1), draw.uniform(0.9, 1.1) / (one + 1))
            for one in range(variants)
        )
        for layer in range(80)
        for slot, variants, params in (("attention", 6, 1.5e8), ("ffn", 9, 7e8))
    }
    start = time.process_time()
    solution = _solve(Problem(choices, {"ms": 100.0, "params": 5e10}))
    assert time.process_time() - start < 20
    assert solution.costs["params"] > 4.9e10


def test_an_impossible_budget_says_what_can_be_reached_of_real_resources() -> None:
    with pytest.raises(Infeasible) as raised:
        _solve(Problem({"ffn.0": (_choice("keep", 0, 4, 6),)}, {"ms": 5}))
    assert raised.value.least == {"ms": 6}


def test_variants_whose_parameters_nobody_counted_are_told() -> None:
    problem = Problem({"ffn.7": (Choice("keep", 0, {"ms": 1}),)}, {"ms": 2})
    with pytest.raises(UserError, match=r"'max-params' needs the parameters .* ffn\.7, keep has only ms"):
        _solve(problem)
