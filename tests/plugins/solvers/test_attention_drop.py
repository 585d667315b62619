import pytest

from blockwright.errors import UserError
from blockwright.problem import Choice, Infeasible, Problem, SolverOptions
from blockwright_plugins.solvers.attention_drop import AttentionDropSolver


def _choices(*attention_scores: float) -> dict[str, tuple[Choice, ...]]:
    """FFNs whose removal would cost next to nothing, and attentions of these scores."""
    choices: dict[str, tuple[Choice, ...]] = {}
    for layer, score in enumerate(attention_scores):
        keep, skip = Choice("keep", 0, {"params": 4}), Choice("skip", score, {"params": 0})
        choices[f"attention.{layer}"] = (keep, Choice("kv_heads=1", 0.0, {"params": 3}), skip)
        choices[f"ffn.{layer}"] = (Choice("keep", 0, {"params": 6}), Choice("skip", 1e-6, {"params": 0}))
    return choices


def _removed(choices: dict[str, tuple[Choice, ...]], limit: float) -> list[str]:
    solution = AttentionDropSolver(SolverOptions()).solve(Problem(choices, {"params": limit}))
    assert set(solution.variants.values()) <= {"keep", "skip"}
    return [name for name, variant in solution.variants.items() if variant == "skip"]


@pytest.mark.parametrize(
    "limit, removed",
    [
        (30, []),
        (29, ["attention.1"]),
        (25, ["attention.1", "attention.2"]),
        (18, ["attention.0", "attention.1", "attention.2"]),
    ],
)
def test_attentions_go_those_of_least_score_first_until_the_limit_holds(limit: float, removed: list[str]) -> None:
    assert _removed(_choices(3, 1, 2), limit) == removed


def test_an_impossible_budget_says_what_a_child_without_attention_takes() -> None:
    with pytest.raises(Infeasible) as raised:
        _removed(_choices(3, 1, 2), 17)
    assert raised.value.least == {"params": 18}


def test_an_attention_that_may_not_be_skipped_stays() -> None:
    choices = _choices(3, 1, 2)
    choices["attention.1"] = choices["attention.1"][:2]
    assert _removed(choices, 25) == ["attention.0", "attention.2"]


def test_a_space_without_skipped_attentions_is_told_what_to_add() -> None:
    choices = {name: options[:1] for name, options in _choices(3, 1, 2).items()}
    with pytest.raises(UserError, match="`skip` for none; add it"):
        _removed(choices, 25)
