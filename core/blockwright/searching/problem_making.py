"""From scores and prices to the problem that solvers answer."""

from __future__ import annotations

from collections.abc import Mapping

from blockwright.problem import Choice, Problem
from blockwright.scoring import Scores

Costs = Mapping[str, Mapping[str, Mapping[str, float]]]  # sub-block -> variant -> resource


def make_problem(
    scores: Mapping[str, Scores], costs: Costs, fixed: Mapping[str, float], limits: Mapping[str, float]
) -> Problem:
    """One choice for each priced variant; KeyError names a variant that has a price and no score."""
    choices = {
        sub_block: tuple(Choice(label, scores[sub_block][label], dict(cost)) for label, cost in variants.items())
        for sub_block, variants in costs.items()
    }
    return Problem(choices=choices, limits=dict(limits), fixed=dict(fixed))
