"""Joins after the variants (`post`) against both at once, on sums."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blockwright.contracts.small_problems import random_problem
from blockwright.problem import Choice, Infeasible, Join, JoinRule, Problem
from blockwright.searching.fusing import FuseAfterwards, walkers
from blockwright.solution_rules import check_solution
from blockwright_plugins.solvers.highs import HighsOptions, HighsSolver

HIGHS = HighsSolver(HighsOptions())


@pytest.mark.parametrize("seed", range(8))
def test_post_keeps_the_rules_and_lies_between_no_joins_and_both_at_once(seed: int) -> None:
    problem = random_problem(seed, ["joins", "several_limits"])
    try:
        without = HIGHS.solve(replace(problem, joins=()))
    except Infeasible:
        with pytest.raises(Infeasible):
            FuseAfterwards(HIGHS).solve(problem)
        return
    post, joint = FuseAfterwards(HIGHS).solve(problem), HIGHS.solve(problem)
    assert check_solution(problem, post) == []
    assert joint.objective - 1e-9 <= post.objective <= without.objective + 1e-9
    assert (post.status, post.bound) == ("heuristic", float("-inf"))


def _layers(limit: float) -> Problem:
    """Four layers: an attention is worth skipping for its time, the FFNs then join for a little more."""
    attention = (Choice("keep", 0.0, {"ms": 4.0}), Choice("skip", 0.5, {"ms": 0.0}))
    ffn = (Choice("keep", 0.0, {"ms": 8.0}), Choice("half", 0.4, {"ms": 6.0}), Choice("skip", 2.0, {"ms": 0.0}))
    choices = {f"{slot}.{at}": one for at in range(4) for slot, one in (("attention", attention), ("ffn", ffn))}
    joins = tuple(
        Join(f"ffn.{at}", f"ffn.{at + 1}", {f"attention.{at + 1}": frozenset(["skip"])}, 0.05, {"ms": -2.0})
        for at in range(3)
    )
    widths = {f"ffn.{at}": {"keep": 8, "half": 4, "skip": 0} for at in range(4)}
    return Problem(choices, {"ms": limit}, joins=joins, join_rule=JoinRule(widths))


def test_post_spends_what_joins_save_on_a_child_that_loses_less() -> None:
    problem = _layers(limit=38.0)
    without, post = HIGHS.solve(replace(problem, joins=())), FuseAfterwards(HIGHS).solve(problem)
    assert without.objective == pytest.approx(1.4)
    assert post.objective == pytest.approx(1.05)
    assert len(post.joined) == 1
    assert post.costs["ms"] <= 38.0


def test_joint_search_goes_through_post_first() -> None:
    assert [type(solver) for solver in walkers(HIGHS, "joint").values()] == [FuseAfterwards, HighsSolver]
    assert [type(solver) for solver in walkers(HIGHS, "post").values()] == [FuseAfterwards]
    assert walkers(HIGHS, "off") == {"": HIGHS}
