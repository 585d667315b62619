"""Whether a child keeps what its problem asks, and what it adds up to: the rules that every solver is held to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from blockwright.join_rules import broken_joins, counted
from blockwright.problem import Choice, Join, Joined, Joint, Problem, Solution

ROUNDING = 1e-13  # of a limit, a tenth of a byte of a terabyte: what sums of decimal fractions may be off by
SUMS_TO = 1e-9  # how far reported sums may be off, of the sum of their parts' sizes


def check_solution(problem: Problem, solution: Solution) -> list[str]:
    """A sentence for each thing that is broken, none for a sound solution; optimality is not looked at."""
    return [*broken_rules(problem, solution.variants, solution.joined), *_wrong_sums(problem, solution)]


def broken_rules(problem: Problem, variants: Mapping[str, str], joined: Joined = ()) -> list[str]:
    """What a child breaks of the problem, a sentence each."""
    wrong_choices = list(_wrong_choices(problem, variants))
    if wrong_choices:
        return wrong_choices
    rules = (_broken_distances, _broken_groups, _broken_orders)
    broken = [sentence for rule in rules for sentence in rule(problem, variants)]
    return [*_broken_amounts(problem, variants, joined), *broken, *broken_joins(problem, variants, joined)]


def total(problem: Problem, variants: Mapping[str, str], joined: Joined = ()) -> tuple[float, dict[str, float]]:
    """Objective and costs of a child, joints, joins and the fixed part included; exact sums, rounded once.

    KeyError names a sub-block without a choice, or its unknown variant.
    """
    chosen = [_choice(problem, name, variants[name]) for name in problem.choices]
    joints = [joint for joint in problem.joints if is_taken(joint.members, variants)]
    added: list[Choice | Joint | Join] = [*chosen, *joints, *counted(problem, variants, joined)]
    costs = [problem.fixed, *(part.costs for part in added)]
    resources = sorted({resource for part in costs for resource in part})
    sums = {resource: math.fsum(part.get(resource, 0.0) for part in costs) for resource in resources}
    return math.fsum(part.score for part in added), sums


def is_taken(members: Mapping[str, str], variants: Mapping[str, str]) -> bool:
    """Whether a child takes all these variants."""
    return all(variants.get(name) == variant for name, variant in members.items())


def differences(variants: Mapping[str, str], centre: Mapping[str, str]) -> int:
    """In how many of a child's sub-blocks it differs from another, which need not name all of them."""
    return sum(centre.get(name) != variant for name, variant in variants.items())


def is_within(amount: float, limit: float) -> bool:
    """Not over the limit, but for the rounding of sums."""
    return amount <= limit + ROUNDING * abs(limit)


def _choice(problem: Problem, name: str, variant: str) -> Choice:
    for choice in problem.choices[name]:
        if choice.variant == variant:
            return choice
    raise KeyError(f"{name}: {variant}")


def _wrong_choices(problem: Problem, variants: Mapping[str, str]) -> Iterator[str]:
    for name, options in problem.choices.items():
        if name not in variants:
            yield f"{name}: no variant is chosen"
        elif variants[name] not in {choice.variant for choice in options}:
            yield f"{name}: '{variants[name]}' is none of its variants"
    for name in variants:
        if name not in problem.choices:
            yield f"{name}: is no sub-block of the problem"


def _broken_amounts(problem: Problem, variants: Mapping[str, str], joined: Joined) -> Iterator[str]:
    _, costs = total(problem, variants, joined)
    for resource, limit in problem.limits.items():
        if not is_within(costs.get(resource, 0.0), limit):
            yield f"{resource}: {costs.get(resource, 0.0)!r} is over the limit of {limit!r}"
    for resource, floor in problem.floors.items():
        if not is_within(-costs.get(resource, 0.0), -floor):
            yield f"{resource}: {costs.get(resource, 0.0)!r} is under the floor of {floor!r}"


def _broken_distances(problem: Problem, variants: Mapping[str, str]) -> Iterator[str]:
    ball = problem.ball
    if ball is not None and differences(variants, ball.centre) > ball.radius:
        yield f"{differences(variants, ball.centre)} sub-blocks differ from the centre, more than {ball.radius}"
    for apart in problem.apart:
        if differences(variants, apart.solution) < apart.distance:
            differing = differences(variants, apart.solution)
            yield f"{differing} sub-blocks differ from an earlier solution, fewer than {apart.distance}"


def _broken_groups(problem: Problem, variants: Mapping[str, str]) -> Iterator[str]:
    for group in problem.groups:
        taken = sorted({variants[name] for name in group})
        if len(taken) > 1:
            yield f"{', '.join(group)}: take {', '.join(taken)} and must take one"


def _broken_orders(problem: Problem, variants: Mapping[str, str]) -> Iterator[str]:
    for name, variant in problem.forced.items():
        if variants[name] != variant:
            yield f"{name}: takes '{variants[name]}' and must take '{variant}'"
    for name, labels in problem.forbidden.items():
        if variants[name] in labels:
            yield f"{name}: takes '{variants[name]}', which is forbidden"


def _wrong_sums(problem: Problem, solution: Solution) -> Iterator[str]:
    """Reported sums that are not the sums; a child with wrong choices has none."""
    if list(_wrong_choices(problem, solution.variants)):
        return
    objective, costs = total(problem, solution.variants, solution.joined)
    if not abs(solution.objective - objective) <= SUMS_TO * _size_of_scores(problem, solution.variants):
        yield f"the objective is {solution.objective!r} and the scores add up to {objective!r}"
    for resource, cost in costs.items():
        if not math.isclose(solution.costs.get(resource, math.nan), cost, rel_tol=SUMS_TO):
            yield f"{resource}: the cost is {solution.costs.get(resource)!r} and the parts add up to {cost!r}"


def _size_of_scores(problem: Problem, variants: Mapping[str, str]) -> float:
    scores = [_choice(problem, name, variant).score for name, variant in variants.items()]
    scores += [joint.score for joint in problem.joints] + [join.score for join in problem.joins]
    return math.fsum(map(abs, scores))
