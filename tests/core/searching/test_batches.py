"""The batch size as part of the answer."""

from __future__ import annotations

import pytest

from blockwright.errors import UserError
from blockwright.plugins import Plugins
from blockwright.problem import Choice, Problem
from blockwright.searching.batches import best_batch


def problem(batch: int, memory: float, ms_per_token: float) -> Problem:
    """Two FFNs whose weights take memory, beside caches of the batch; larger batches spend less time a token."""
    choices = (
        Choice("keep", 0.0, {"memory": 10.0, "ms_per_token": 4.0 / batch}),
        Choice("half", 1.0, {"memory": 5.0, "ms_per_token": 2.0 / batch}),
    )
    limits = {"memory": memory, "ms_per_token": ms_per_token}
    return Problem({"ffn.0": choices, "ffn.1": choices}, limits, fixed={"memory": 2.0 * batch})


def solve(memory: float, ms_per_token: float, plugins: Plugins) -> tuple[int, list[float | None]]:
    highs = plugins.solver("highs")
    problems = {batch: problem(batch, memory, ms_per_token) for batch in (1, 2, 4, 8)}
    batch, tried = best_batch(problems, highs(highs.Options()))
    return batch, [one.predicted for one in tried]


def test_neither_the_smallest_nor_the_largest_need_be_best(plugins: Plugins) -> None:
    """At 1 both FFNs must be halved to be quick enough, at 4 one to make room, at 8 there is no room at all."""
    assert solve(24.0, 4.0, plugins) == (2, [2.0, 0.0, 1.0, None])


def test_of_equal_children_the_larger_batch_is_taken(plugins: Plugins) -> None:
    assert solve(100.0, 8.0, plugins) == (8, [0.0, 0.0, 0.0, 0.0])


def test_no_batch_at_all_is_told(plugins: Plugins) -> None:
    with pytest.raises(UserError, match=r"search\.batches: no child keeps the limits at any of 1, 2, 4, 8"):
        solve(5.0, 1.0, plugins)
