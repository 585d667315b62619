import itertools
import math
import random
import subprocess
import sys

import pytest

from blockwright.errors import UserError
from blockwright.problem import Apart, Ball, Choice, Infeasible, Problem, Solution
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver


def _solve(problem: Problem, **options: float) -> Solution:
    return HighsSolver(HighsOptions(**options)).solve(problem)  # type: ignore[arg-type]


def _random_problem(seed: int, blocks: int = 4, variants: int = 4) -> Problem:
    draw = random.Random(seed)
    choices = {
        f"ffn.{block}": tuple(
            Choice(f"v{one}", draw.uniform(0, 2), {"params": draw.randint(0, 10**7), "memory": draw.uniform(0, 1e9)})
            for one in range(variants)
        )
        for block in range(blocks)
    }
    return Problem(
        choices,
        limits={"params": draw.uniform(0.5, 2.5) * 1e7 + 3e7, "memory": draw.uniform(0.5, 2.5) * 1e9},
        fixed={"params": 3e7},
    )


def _children(problem: Problem) -> list[tuple[float, dict[str, str]]]:
    """Every child within the limits, by brute force, best first."""
    found = []
    for combination in itertools.product(*problem.choices.values()):
        totals = {
            resource: problem.fixed.get(resource, 0) + sum(choice.costs[resource] for choice in combination)
            for resource in problem.limits
        }
        if all(totals[resource] <= limit for resource, limit in problem.limits.items()):
            names = {name: choice.variant for name, choice in zip(problem.choices, combination, strict=True)}
            found.append((sum(choice.score for choice in combination), names))
    return sorted(found, key=lambda child: child[0])


def _differences(first: dict[str, str], second: dict[str, str]) -> int:
    return sum(first[name] != second[name] for name in first)


@pytest.mark.parametrize("seed", range(100))
def test_solver_finds_what_brute_force_finds(seed: int) -> None:
    problem = _random_problem(seed)
    children = _children(problem)
    if not children:
        with pytest.raises(Infeasible):
            _solve(problem)
        return
    solution = _solve(problem)
    assert solution.objective == pytest.approx(children[0][0], abs=1e-9)
    assert solution.status == "optimal"
    assert solution.bound == pytest.approx(solution.objective)
    assert all(solution.costs[resource] <= limit * (1 + 1e-9) for resource, limit in problem.limits.items())


def test_solver_finds_what_dynamic_programming_finds() -> None:
    draw = random.Random(7)
    choices = {
        f"ffn.{block}": tuple(Choice(f"v{one}", draw.random() * one, {"params": 20 - 2 * one}) for one in range(10))
        for block in range(60)
    }
    limit = 60 * 11
    best = {0: 0.0}
    for options in choices.values():
        reached: dict[int, float] = {}
        for spent, score in best.items():
            for choice in options:
                total = spent + int(choice.costs["params"])
                if total <= limit:
                    reached[total] = min(reached.get(total, math.inf), score + choice.score)
        best = reached
    assert _solve(Problem(choices, {"params": limit})).objective == pytest.approx(min(best.values()))


def test_a_llama_405b_space_is_solved_to_proven_optimality_in_seconds() -> None:
    draw = random.Random(3)
    choices = {}
    for layer in range(126):
        weight = draw.uniform(0.2, 2)
        choices[f"attention.{layer}"] = tuple(
            Choice(f"a{one}", weight * draw.random() * one, {"params": 5.7e8 / (one + 1), "memory": 1.1e9 / (one + 1)})
            for one in range(6)
        )
        choices[f"ffn.{layer}"] = tuple(
            Choice(f"f{one}", weight * draw.random() * one, {"params": 2.6e9 / (one + 1), "memory": 5.2e9 / (one + 1)})
            for one in range(9)
        )
    solution = _solve(Problem(choices, {"params": 2.53e11, "memory": 5e11}, {"params": 4e9}))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-9
    assert solution.seconds < 30


def test_a_ball_holds_the_child_near_its_centre() -> None:
    problem = _random_problem(1)
    centre = _children(problem)[-1][1]
    near = _solve(Problem(problem.choices, problem.limits, problem.fixed, ball=Ball(centre, 1)))
    allowed = [score for score, child in _children(problem) if _differences(child, centre) <= 1]
    assert _differences(dict(near.variants), centre) <= 1
    assert near.objective == pytest.approx(min(allowed))


def test_diverse_solutions_keep_their_distance() -> None:
    problem = _random_problem(1)
    first = _solve(problem)
    second = _solve(Problem(problem.choices, problem.limits, problem.fixed, apart=(Apart(first.variants, 2),)))
    allowed = [score for score, child in _children(problem) if _differences(child, dict(first.variants)) >= 2]
    assert second.objective == pytest.approx(min(allowed))


def test_an_impossible_budget_says_what_can_be_reached() -> None:
    choices = {
        f"ffn.{block}": (Choice("keep", 0, {"params": 10}), Choice("half", 1, {"params": 5})) for block in (0, 1)
    }
    with pytest.raises(Infeasible) as raised:
        _solve(Problem(choices, {"params": 12}, {"params": 4}))
    assert raised.value.least == {"params": 14}


def test_limits_that_only_clash_together_say_what_each_can_reach_under_the_other() -> None:
    options = (Choice("big", 0, {"params": 10, "memory": 1}), Choice("small", 0, {"params": 1, "memory": 10}))
    with pytest.raises(Infeasible) as raised:
        _solve(Problem({"ffn.0": options}, {"params": 5, "memory": 5}))
    assert raised.value.least == {"params": 10, "memory": 10}


@pytest.mark.parametrize("score, cost", [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan)])
def test_what_is_not_a_number_is_refused_by_name(score: float, cost: float) -> None:
    problem = Problem({"ffn.7": (Choice("narrow=8", score, {"params": cost}),)}, {"params": 2})
    with pytest.raises(ValueError, match=r"ffn\.7, narrow=8"):
        _solve(problem)


def test_a_time_limit_returns_the_incumbent_and_says_so() -> None:
    draw = random.Random(0)
    choices = {
        f"ffn.{block}": tuple(
            Choice(f"v{one}", draw.random(), {f"r{row}": draw.random() for row in range(12)}) for one in range(20)
        )
        for block in range(120)
    }
    solution = _solve(Problem(choices, {f"r{row}": 48.0 for row in range(12)}), time_limit_s=4.0)
    assert solution.status == "time_limit"
    assert solution.bound < solution.objective
    assert solution.gap > 0
    assert solution.seconds < 10


def test_equal_problems_have_equal_solutions() -> None:
    problem = _random_problem(5, blocks=12, variants=5)
    problem = Problem(problem.choices, {"params": 9e7}, problem.fixed)
    assert _solve(problem).variants == _solve(problem).variants


@pytest.mark.parametrize("size", [10**3, 10**8, 10**11])
@pytest.mark.parametrize("seed", range(10))
def test_a_limit_is_kept_to_the_last_byte(size: int, seed: int) -> None:
    draw = random.Random(seed)
    choices = {
        f"ffn.{block}": tuple(Choice(f"v{one}", -draw.random(), {"memory": draw.randint(0, size)}) for one in range(4))
        for block in range(4)
    }
    children = _children(Problem(choices, {"memory": math.inf}))
    best = children[0][1]
    taken = sum(choice.costs["memory"] for name in best for choice in choices[name] if choice.variant == best[name])
    assert _solve(Problem(choices, {"memory": taken})).variants == best
    try:
        assert _solve(Problem(choices, {"memory": taken - 1})).costs["memory"] < taken
    except Infeasible as error:
        assert error.least["memory"] == taken


def test_a_ball_and_a_distance_that_exclude_everything_are_infeasible() -> None:
    options = (Choice("keep", 0.0, {"params": 2}), Choice("skip", 1.0, {"params": 0}))
    here = {"ffn.0": "keep"}
    with pytest.raises(Infeasible) as raised:
        _solve(Problem({"ffn.0": options}, {"params": 2}, ball=Ball(here, 0), apart=(Apart(here, 1),)))
    assert raised.value.least == {"params": 0}


def test_too_little_time_to_find_any_child_is_not_called_infeasible() -> None:
    draw = random.Random(0)
    choices = {
        f"ffn.{block}": tuple(
            Choice(f"v{one}", draw.random(), {f"r{row}": draw.random() for row in range(12)}) for one in range(20)
        )
        for block in range(120)
    }
    with pytest.raises(UserError, match=r"solver\.time_limit_s: 1e-06 s were too few"):
        _solve(Problem(choices, {f"r{row}": 42.0 for row in range(12)}), time_limit_s=1e-6)


def test_a_limited_resource_that_a_variant_does_not_price_is_told() -> None:
    problem = Problem({"ffn.7": (Choice("skip", 0.0, {}),)}, {"params": 2})
    with pytest.raises(ValueError, match=r"ffn\.7, skip: params nan"):
        _solve(problem)


def test_a_sub_block_without_choices_is_told() -> None:
    with pytest.raises(ValueError, match=r"ffn\.7: has no variants to choose from"):
        _solve(Problem({"ffn.7": ()}, {"params": 2}))


def test_solving_prints_nothing() -> None:
    script = """
from blockwright.problem import Choice, Problem
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver
HighsSolver(HighsOptions()).solve(Problem({"ffn.0": (Choice("keep", 0.0, {"params": 1}),)}, {"params": 2}))
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout == finished.stderr == ""
