import pytest

from blockwright.problem import Choice, Infeasible, Problem, SolverOptions
from blockwright_plugins.solvers.uniform import UniformSolver


def _choice(label: str, score: float, params: float) -> Choice:
    return Choice(label, score, {"params": params})


def _problem(limit: float) -> Problem:
    """Layer 0 is worth more than layer 1, so a free search would treat them differently."""
    choices = {}
    for layer, weight in ((0, 10), (1, 1)):
        choices[f"attention.{layer}"] = (_choice("keep", 0, 4), _choice("skip", weight * 1, 0))
        choices[f"ffn.{layer}"] = (
            _choice("keep", 0, 8),
            _choice("half", weight * 2, 4),
            _choice("skip", weight * 5, 0),
        )
    return Problem(choices, {"params": limit})


def _variants(problem: Problem) -> dict[str, str]:
    return dict(UniformSolver(SolverOptions()).solve(problem).variants)


@pytest.mark.parametrize(
    "limit, attention, ffn",
    [(24, "keep", "keep"), (23, "skip", "keep"), (15, "skip", "half"), (8, "skip", "half"), (7, "skip", "skip")],
)
def test_every_layer_takes_the_pair_of_labels_of_least_score_that_fits(limit: float, attention: str, ffn: str) -> None:
    variants = _variants(_problem(limit))
    assert variants == {"attention.0": attention, "attention.1": attention, "ffn.0": ffn, "ffn.1": ffn}


def test_a_layer_without_the_label_takes_its_nearest_by_cost() -> None:
    choices = {
        "ffn.0": (_choice("keep", 0, 8), _choice("half", 1, 4)),
        "ffn.1": (_choice("keep", 0, 8), _choice("third", 1, 3), _choice("skip", 5, 0)),
    }
    assert _variants(Problem(choices, {"params": 8})) == {"ffn.0": "half", "ffn.1": "third"}


def test_costs_of_different_units_weigh_alike_in_what_is_nearest() -> None:
    choices = {
        "ffn.0": (Choice("half", 0, {"params": 4e9, "ms": 4e-3}),),
        "ffn.1": (
            Choice("near in params", 0, {"params": 4.1e9, "ms": 40e-3}),
            Choice("near in both", 0, {"params": 4.4e9, "ms": 4.4e-3}),
        ),
    }
    only_half = Problem(choices, {"params": 8.4e9, "ms": 1.0})
    assert _variants(only_half)["ffn.1"] == "near in both"


def test_an_impossible_budget_says_what_uniform_children_can_reach() -> None:
    choices = {
        "ffn.0": (_choice("keep", 0, 8), _choice("half", 1, 4)),
        "ffn.1": (_choice("keep", 0, 8), _choice("half", 1, 4)),
    }
    with pytest.raises(Infeasible) as raised:
        _variants(Problem(choices, {"params": 8}, {"params": 1}))
    assert raised.value.least == {"params": 9}
