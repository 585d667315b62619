import pytest

from blockwright.errors import UserError
from blockwright.problem import Choice, Infeasible, Problem, SolverOptions
from blockwright_plugins.solvers.depth import DepthSolver

INFLUENCES = (5, 1, 3, 2)  # of layers 0 … 3


def _options(skip_score: float, params: float, *, may_go: bool = True) -> tuple[Choice, ...]:
    narrow = Choice("narrow", 0.1, {"params": params / 2})  # a search would take it; removal does not know it
    skip = Choice("skip", skip_score, {"params": 0})
    return (Choice("keep", 0, {"params": params}), narrow, *([skip] if may_go else []))


def _choices(stays: str = "") -> dict[str, tuple[Choice, ...]]:
    return {
        f"{slot}.{layer}": _options(score / 2, params, may_go=f"{slot}.{layer}" != stays)
        for layer, score in enumerate(INFLUENCES)
        for slot, params in (("attention", 4), ("ffn", 6))
    }


def _removed(choices: dict[str, tuple[Choice, ...]], limit: float) -> list[str]:
    solution = DepthSolver(SolverOptions()).solve(Problem(choices, {"params": limit}, {"params": 1}))
    assert set(solution.variants.values()) <= {"keep", "skip"}
    return sorted(name for name, variant in solution.variants.items() if variant == "skip")


def _layers(*layers: int) -> list[str]:
    return sorted(f"{slot}.{layer}" for layer in layers for slot in ("attention", "ffn"))


@pytest.mark.parametrize("limit, removed", [(41, ()), (40, (1,)), (31, (1,)), (30, (1, 3)), (11, (1, 2, 3))])
def test_whole_layers_go_the_least_important_first_until_the_limit_holds(
    limit: float, removed: tuple[int, ...]
) -> None:
    assert _removed(_choices(), limit) == _layers(*removed)


def test_a_layer_that_may_not_lose_both_sub_blocks_stays() -> None:
    assert _removed(_choices(stays="ffn.1"), 40) == _layers(3)


def test_an_impossible_budget_says_what_removing_layers_can_reach() -> None:
    with pytest.raises(Infeasible) as raised:
        _removed(_choices(stays="attention.0"), 10)
    assert raised.value.least == {"params": 11}


def test_a_space_without_skip_in_both_slots_is_told_what_to_add() -> None:
    only_attention = {name: options if "attention" in name else options[:2] for name, options in _choices().items()}
    with pytest.raises(UserError, match="no layer `skip` for both its attention and its FFN; add `skip` to both"):
        _removed(only_attention, 30)
