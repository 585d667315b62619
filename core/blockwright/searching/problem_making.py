"""From scores and prices to the problem that solvers answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blockwright.problem import Choice, Problem
from blockwright.scoring import Scores
from blockwright.searching.pricing import Prices
from blockwright.soundness import refuse_problem


@dataclass(frozen=True)
class Rules:
    """What a recipe asks of a child: limits and floors by resource, and sub-blocks that must agree."""

    limits: Mapping[str, float]
    floors: Mapping[str, float] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()


def make_problem(scores: Mapping[str, Scores], prices: Prices, rules: Rules) -> Problem:
    """One choice for each priced variant; KeyError names a variant that has a price and no score, UserError one whose
    score or price is no number."""
    choices = {
        sub_block: tuple(Choice(label, scores[sub_block][label], dict(cost)) for label, cost in variants.items())
        for sub_block, variants in prices.resources().items()
    }
    problem = Problem(
        choices=choices,
        limits=dict(rules.limits),
        fixed=dict(prices.fixed_resources),
        floors=dict(rules.floors),
        groups=rules.groups,
    )
    refuse_problem(problem)
    return problem
