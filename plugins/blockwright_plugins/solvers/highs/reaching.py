"""What can be reached where nothing fits: the least of each limited resource, the most of each that has a floor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from blockwright.problem import Choice, Problem
from blockwright.solution_rules import total
from blockwright_plugins.solvers.highs.engine import Engine
from blockwright_plugins.solvers.highs.model import Settings


def least_and_most(problem: Problem, settings: Settings) -> tuple[dict[str, float], dict[str, float]]:
    """By resource, within all that the problem asks besides where that can be met; see `_relaxations` where not."""
    least = {resource: _extreme(problem, resource, 1.0, settings) for resource in problem.limits}
    most = {resource: _extreme(problem, resource, -1.0, settings) for resource in problem.floors}
    return least, most


def _extreme(problem: Problem, resource: str, sign: float, settings: Settings) -> float:
    for relaxed in _relaxations(problem, resource, sign):
        engine = Engine(_scored_by(relaxed, resource, sign), settings)
        if engine.run():
            _, costs = total(problem, engine.variants(), engine.joined())
            return costs[resource]
    raise AssertionError("every sub-block has a choice, so with nothing asked some child exists")


def _relaxations(problem: Problem, resource: str, sign: float) -> Iterator[Problem]:
    """Without the resource's own limit or floor; without any; without distances; without orders and groups."""
    kept = problem.limits if sign < 0 else _without(problem.limits, resource)
    above = problem.floors if sign > 0 else _without(problem.floors, resource)
    yield replace(problem, limits=kept, floors=above)
    yield replace(problem, limits={}, floors={})
    yield replace(problem, limits={}, floors={}, ball=None, apart=())
    yield replace(problem, limits={}, floors={}, ball=None, apart=(), forced={}, forbidden={}, groups=())


def _without(amounts: Mapping[str, float], resource: str) -> dict[str, float]:
    return {name: amount for name, amount in amounts.items() if name != resource}


def _scored_by(problem: Problem, resource: str, sign: float) -> Problem:
    """The same choices, joints and joins with the resource itself, or its negative, as the score."""
    choices = {
        name: tuple(Choice(choice.variant, sign * choice.costs[resource], choice.costs) for choice in options)
        for name, options in problem.choices.items()
    }
    joints = tuple(replace(joint, score=sign * joint.costs.get(resource, 0.0)) for joint in problem.joints)
    joins = tuple(replace(join, score=sign * join.costs.get(resource, 0.0)) for join in problem.joins)
    return replace(problem, choices=choices, joints=joints, joins=joins)
