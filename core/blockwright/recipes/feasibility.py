"""Whether any child fits a budget, from prices alone, before anything is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from blockwright.problem import Infeasible, Problem, Solver
from blockwright.recipes.budget import Budget
from blockwright.recipes.mistakes import Mistake
from blockwright.searching.agreements import groups_of
from blockwright.searching.pricing import Prices, least_resources
from blockwright.searching.problem_making import Rules, make_problem
from blockwright.searching.search import SearchSettings
from blockwright.terminal.resources import as_resource, told_as
from blockwright.variants import SubBlock


def limits_within(budget: Budget, prices: Prices) -> Mapping[str, float]:
    """The budget's limits, and the machine's memory where that is less or nothing was said of memory."""
    limits = dict(budget.limits(prices.parent))
    for name, bytes_there in prices.machine_limits.items():
        limits[name] = min(limits.get(name, bytes_there), bytes_there)
    return limits


def rules_of(budget: Budget, search: SearchSettings, prices: Prices) -> Rules:
    """All that a recipe asks of a child, in absolute numbers."""
    layers = 1 + max(SubBlock.parse(name).layer for name in prices.main.blocks)
    groups = groups_of(search.agree, layers)
    return Rules(limits_within(budget, prices), budget.floors(prices.parent), groups)


Joining = Callable[[Problem], Problem]  # a problem without joins -> the same with those open to the search


def budget_mistakes(
    budget: Budget, prices: Prices, solver: Solver, rules: Rules, joining: Joining | None = None
) -> list[Mistake]:
    """Limits that no child keeps, with the least that can be reached; or all, where only each alone can be kept.

    `joining` is given where the search chooses joins along with variants, which may reach lower.
    """
    limits, least = rules.limits, least_resources(prices)
    if joining is not None:
        least = _with_all_joins(least, prices)
    alone = [
        Mistake(budget.path_of(name), _too_tight(name, limit, least[name], prices))
        for name, limit in limits.items()
        if limit < least[name]
    ]
    if alone or (len(limits) < 2 and not rules.floors and not rules.groups and joining is None):
        return alone
    free = {sub_block: dict.fromkeys(variants, 0.0) for sub_block, variants in prices.main.blocks.items()}
    problem = make_problem(free, prices, rules)
    try:
        solver.solve(problem if joining is None else joining(problem))
    except Infeasible as error:
        return [
            Mistake(
                ("budget",),
                f"no child of this space keeps all limits at once; alone, {_each(least, limits)}{_floors(error)}",
            )
        ]
    return []


def _with_all_joins(least: Mapping[str, float], prices: Prices) -> dict[str, float]:
    """As if every FFN were joined to the next: no child takes less."""
    joins = sum(SubBlock.parse(name).slot == "ffn" for name in prices.main.blocks) - 1
    return {name: value - joins * max(0.0, prices.join_savings.get(name, 0.0)) for name, value in least.items()}


def _floors(error: Infeasible) -> str:
    """`, and params reach 80 M of the 90 M that it must have at least`."""
    told = [
        f"{name} reach {as_resource(name, error.most.get(name, 0.0))} of the {as_resource(name, floor)} that it must "
        "have at least"
        for name, floor in error.floors.items()
    ]
    return f", and {', '.join(told)}" if told else ""


def _too_tight(name: str, limit: float, least: float, prices: Prices) -> str:
    """`no child of this space has less than 40.1 M params (29.8% of the parent's); the limit is 13.5 M`."""
    share = f"({100 * least / prices.parent[name]:.1f}% of the parent's)"
    if told_as(name).endswith("tokens_per_s"):
        share = f"({prices.parent[name] / least:.2f}x the parent's)"
        reached = f"no child of this space makes more than {as_resource(name, least)} {told_as(name)} {share}"
    else:
        amount = as_resource(name, least).removesuffix(" ms")  # which the resource's name says
        reached = f"no child of this space has less than {amount} {told_as(name)} {share}"
    machine = prices.machine_limits.get(name) == limit
    return f"{reached}; {'the machine has' if machine else 'the limit is'} {as_resource(name, limit)}"


def _each(least: Mapping[str, float], limits: Mapping[str, float]) -> str:
    return ", ".join(f"{told_as(name)} can be brought to {as_resource(name, least[name])}" for name in limits)
