import random
import time

import pytest

from blockwright.problem import Choice, Infeasible, Problem, Solution, SolverOptions
from blockwright_plugins.solvers.greedy import GreedySolver
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver


def _solve(problem: Problem) -> Solution:
    return GreedySolver(SolverOptions()).solve(problem)


def _choice(label: str, score: float, params: float) -> Choice:
    return Choice(label, score, {"params": params})


CHOICES = {
    "ffn.0": (_choice("keep", 0, 10), _choice("half", 1, 5), _choice("skip", 9, 0)),  # 0.2, then 1.6 a parameter
    "ffn.1": (_choice("keep", 0, 10), _choice("half", 2, 5), _choice("skip", 5, 0)),  # 0.4, then 0.6 a parameter
}


@pytest.mark.parametrize(
    "limit, first, second",
    [(20, "keep", "keep"), (19, "half", "keep"), (14, "half", "half"), (9, "half", "skip"), (4, "skip", "skip")],
)
def test_steps_are_taken_from_the_cheapest_on_until_the_limit_holds(limit: float, first: str, second: str) -> None:
    assert _solve(Problem(CHOICES, {"params": limit})).variants == {"ffn.0": first, "ffn.1": second}


def test_it_does_not_look_ahead_where_a_search_would() -> None:
    """The cheapest step, 1 a parameter, does not suffice, and what follows it costs more than 6 at once."""
    choices = {
        "ffn.0": (_choice("keep", 0, 10), _choice("half", 4, 6)),
        "ffn.1": (_choice("keep", 0, 10), _choice("half", 6, 5)),
    }
    problem = Problem(choices, {"params": 15})
    assert _solve(problem).objective == 10
    assert HighsSolver(HighsOptions()).solve(problem).objective == 6


def test_the_most_violated_limit_sets_the_rate() -> None:
    """Memory is twice over its limit and parameters by a tenth, so that what frees memory cheaply goes first."""
    choices = {
        "ffn.0": (Choice("keep", 0, {"params": 11, "memory": 10}), Choice("half", 1, {"params": 1, "memory": 9})),
        "ffn.1": (Choice("keep", 0, {"params": 11, "memory": 10}), Choice("half", 2, {"params": 9, "memory": 0})),
    }
    solution = _solve(Problem(choices, {"params": 20, "memory": 10}))
    assert solution.variants == {"ffn.0": "keep", "ffn.1": "half"}


def test_it_starts_from_the_parent_even_where_another_variant_scores_less() -> None:
    choices = {"ffn.0": (_choice("half", -1, 5), _choice("keep", 0, 10))}
    assert _solve(Problem(choices, {"params": 10})).variants == {"ffn.0": "keep"}


def test_an_impossible_budget_says_what_can_be_reached() -> None:
    with pytest.raises(Infeasible) as raised:
        _solve(Problem(CHOICES, {"params": 3}, {"params": 4}))
    assert raised.value.least == {"params": 4}


def test_a_llama_405b_space_takes_seconds_and_comes_near_the_optimum() -> None:
    draw = random.Random(3)
    choices = {}
    for layer in range(126):
        weight = draw.uniform(0.2, 2)
        for slot, variants, params in (("attention", 6, 5.7e8), ("ffn", 9, 2.6e9)):
            choices[f"{slot}.{layer}"] = tuple(
                Choice("keep" if one == 0 else f"v{one}", weight * draw.random() * one, {"params": params / (one + 1)})
                for one in range(variants)
            )
    problem = Problem(choices, {"params": 2.53e11}, {"params": 4e9})
    start = time.process_time()
    greedy = _solve(problem)
    assert time.process_time() - start < 20
    best = HighsSolver(HighsOptions()).solve(problem).objective
    assert best <= greedy.objective < 1.1 * best
