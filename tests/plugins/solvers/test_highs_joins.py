"""Joins in `highs`, against brute force and where they decide."""

from __future__ import annotations

import pytest

from blockwright.contracts.small_problems import children, random_problem
from blockwright.problem import Choice, Infeasible, Join, JoinRule, Problem, Solution
from blockwright.solution_rules import check_solution
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver


def _solve(problem: Problem) -> Solution:
    return HighsSolver(HighsOptions()).solve(problem)


@pytest.mark.parametrize("seed", range(20, 26))
def test_the_optimum_with_joins_is_that_of_brute_force(seed: int) -> None:
    problem = random_problem(seed, ["joins", "several_limits"])
    found = children(problem)
    if not found:
        with pytest.raises(Infeasible):
            _solve(problem)
        return
    solution = _solve(problem)
    assert check_solution(problem, solution) == []
    assert solution.objective == pytest.approx(found[0][0], abs=1e-9)


def _row(limit: float, layers: int = 4, score: float = 0.1, **rule: object) -> Problem:
    """Each FFN takes 10 ms and loses 1 where it is skipped; attentions beyond the first are free to skip."""
    ffn = (Choice("keep", 0.0, {"ms": 10.0}), Choice("skip", 1.0, {"ms": 0.0}))
    choices = {f"ffn.{layer}": ffn for layer in range(layers)}
    attention = (Choice("keep", 0.0, {"ms": 10.0}), Choice("skip", 0.05, {"ms": 9.0}))
    choices |= {f"attention.{layer}": attention for layer in range(layers)}
    joins = tuple(
        Join(f"ffn.{at}", f"ffn.{at + 1}", {f"attention.{at + 1}": frozenset(["skip"])}, score, {"ms": -4.0})
        for at in range(layers - 1)
    )
    widths = {f"ffn.{layer}": {"keep": 8, "skip": 0} for layer in range(layers)}
    return Problem(choices, {"ms": limit}, joins=joins, join_rule=JoinRule(widths, **rule))  # type: ignore[arg-type]


def test_attentions_are_skipped_for_what_the_joins_behind_them_save() -> None:
    """A skip alone saves 1 ms; a join takes it with 4 more."""
    solution = _solve(_row(limit=75.0))
    assert solution.costs["ms"] == 75.0
    assert len(solution.joined) == 1
    assert solution.objective == pytest.approx(0.15)


def test_no_join_is_made_that_nothing_asks_for() -> None:
    assert _solve(_row(limit=80.0)).joined == ()


def test_a_join_that_gains_is_made_unasked() -> None:
    assert len(_solve(_row(limit=80.0, score=-0.1)).joined) == 3


@pytest.mark.parametrize(
    ("rule", "most"), [({}, 3), ({"exclude_last": True}, 2), ({"max_width": 16}, 2), ({"max_width": 15}, 0)]
)
def test_rules_bound_what_can_be_saved(rule: dict[str, object], most: int) -> None:
    """All FFNs are kept, so that only skipped attentions and joins save anything."""
    problem = _row(limit=0.0, **rule)
    kept = {f"ffn.{layer}": frozenset(["skip"]) for layer in range(4)}
    reached = Problem(
        problem.choices, {"ms": 76.0 - 4.0 * most}, joins=problem.joins, join_rule=problem.join_rule, forbidden=kept
    )
    solution = _solve(reached)
    assert len(solution.joined) == most
    with pytest.raises(Infeasible) as raised:
        _solve(Problem(**{**vars(reached), "limits": {"ms": 75.0 - 4.0 * most}}))
    assert raised.value.least == {"ms": 76.0 - 4.0 * most}


def test_the_same_child_with_other_joins_is_found_where_rounding_hides_the_first() -> None:
    """Joins are a part of what HiGHS' tolerance may let pass and the rules exclude."""
    problem = _row(limit=76.0 - 4.0 - 1e-10)
    assert check_solution(problem, _solve(problem)) == []


@pytest.mark.parametrize(
    ("join", "sentence"),
    [
        (Join("ffn.0", "ffn.9", {}, 0.0, {}), "join of ffn.0 and ffn.9: ffn.9 is no sub-block of the problem"),
        (Join("ffn.1", "ffn.2", {}, float("nan"), {}), "join of ffn.1 and ffn.2: score nan"),
    ],
)
def test_what_is_wrong_with_a_join_is_told(join: Join, sentence: str) -> None:
    problem = _row(limit=80.0)
    with pytest.raises(ValueError, match=sentence):
        _solve(Problem(problem.choices, {}, joins=(join,), join_rule=problem.join_rule))


def test_two_joins_of_one_side_are_told() -> None:
    problem = _row(limit=80.0)
    with pytest.raises(ValueError, match=r"joins: ffn\.0 is joined twice on one side"):
        _solve(Problem(problem.choices, {}, joins=(*problem.joins, Join("ffn.0", "ffn.3", {}, 0.0, {}))))
