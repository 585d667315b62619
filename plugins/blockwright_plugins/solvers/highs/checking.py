"""What no program can be made of: figures that are not numbers, and names that nothing has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from blockwright.problem import Choice, Joint, Problem


def refuse_what_is_not_a_number(problem: Problem) -> None:
    """ValueError naming whose score, cost, limit or floor is missing, NaN or infinite, or which name is unknown."""
    mistakes = [*_in_choices(problem), *_in_amounts(problem), *_in_names(problem)]
    mistakes += [*_in_joints(problem), *_in_joins(problem)]
    if mistakes:
        raise ValueError("\n".join(mistakes))


def _in_choices(problem: Problem) -> Iterator[str]:
    for name, choices in problem.choices.items():
        if not choices:
            yield f"{name}: has no variants to choose from"
        labels = [choice.variant for choice in choices]
        for label in sorted({label for label in labels if labels.count(label) > 1}):
            yield f"{name}: two of its variants are called '{label}'"
        for choice in choices:
            wrong = _not_finite(_figures(choice, problem))
            if wrong:
                yield f"{name}, {choice.variant}: {wrong}; scores and costs must be finite"


def _figures(choice: Choice, problem: Problem) -> Mapping[str, float]:
    """A resource that is limited and not priced is not a number."""
    resources = (*choice.costs, *problem.limits, *problem.floors)
    return {"score": choice.score, **{resource: choice.costs.get(resource, math.nan) for resource in resources}}


def _in_amounts(problem: Problem) -> Iterator[str]:
    """A limit may be +inf and a floor -inf: they ask for nothing."""
    limits = {name: limit for name, limit in problem.limits.items() if limit != math.inf}
    floors = {name: floor for name, floor in problem.floors.items() if floor != -math.inf}
    for what, amounts in (("limits", limits), ("floors", floors), ("fixed", problem.fixed)):
        wrong = _not_finite(amounts)
        if wrong:
            yield f"{what}: {wrong}; must be finite"


def _in_names(problem: Problem) -> Iterator[str]:
    named = {
        "forced": problem.forced,
        "forbidden": problem.forbidden,
        "groups": [one for g in problem.groups for one in g],
    }
    for what, names in named.items():
        yield from (f"{what}: {name} is no sub-block of the problem" for name in names if name not in problem.choices)
    for name, variant in problem.forced.items():
        if name in problem.choices and variant not in _labels(problem.choices[name]):
            yield f"forced: {name} has no variant '{variant}'"


def _in_joints(problem: Problem) -> Iterator[str]:
    for joint in problem.joints:
        title = _title(joint)
        if not joint.members:
            yield f"{title}: names no sub-block"
        for name, variant in joint.members.items():
            if variant not in _labels(problem.choices.get(name, ())):
                yield f"{title}: {name} has no variant '{variant}'"
        wrong = _not_finite({"score": joint.score, **joint.costs})
        if wrong:
            yield f"{title}: {wrong}; scores and costs must be finite"


def _in_joins(problem: Problem) -> Iterator[str]:
    for join in problem.joins:
        title = f"join of {join.left} and {join.right}"
        unknown = {join.left, join.right, *join.allowed} - set(problem.choices)
        if unknown:
            yield f"{title}: {', '.join(sorted(unknown))} is no sub-block of the problem"
        wrong = _not_finite({"score": join.score, **join.costs})
        if wrong:
            yield f"{title}: {wrong}; scores and costs must be finite"
    for ends in ([join.left for join in problem.joins], [join.right for join in problem.joins]):
        yield from (f"joins: {name} is joined twice on one side" for name in sorted(set(ends)) if ends.count(name) > 1)


def _title(joint: Joint) -> str:
    return f"joint of {', '.join(f'{name} {variant}' for name, variant in joint.members.items()) or 'nothing'}"


def _labels(choices: Iterable[Choice]) -> set[str]:
    return {choice.variant for choice in choices}


def _not_finite(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{what} {figure}" for what, figure in figures.items() if not math.isfinite(figure))
