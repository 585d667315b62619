"""Whether any child fits a budget, from prices alone, before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping

from blockwright.problem import Infeasible, Solver
from blockwright.recipes.budget import Budget
from blockwright.recipes.mistakes import Mistake
from blockwright.searching.pricing import Prices, least_resources
from blockwright.searching.problem_making import make_problem
from blockwright.terminal.tables import as_resource


def budget_mistakes(budget: Budget, prices: Prices, solver: Solver) -> list[Mistake]:
    """Limits that no child keeps, with the least that can be reached; or all, where only each alone can be kept."""
    limits, least = budget.limits(prices.parent), least_resources(prices)
    alone = [
        Mistake(("budget", name), too_tight(name, limit, least[name], prices.parent[name]))
        for name, limit in limits.items()
        if limit < least[name]
    ]
    if alone or len(limits) < 2:
        return alone
    free = {sub_block: dict.fromkeys(variants, 0.0) for sub_block, variants in prices.blocks.items()}
    try:
        solver.solve(make_problem(free, prices.resources(), prices.fixed_resources, limits))
    except Infeasible:
        return [Mistake(("budget",), f"no child of this space keeps all limits at once; alone, {_each(least, limits)}")]
    return []


def too_tight(name: str, limit: float, least: float, parent: float) -> str:
    """`no child of this space has less than 40.1 M params (29.8% of the parent's); the limit is 13.5 M`."""
    reached = f"{as_resource(name, least)} {name} ({100 * least / parent:.1f}% of the parent's)"
    return f"no child of this space has less than {reached}; the limit is {as_resource(name, limit)}"


def _each(least: Mapping[str, float], limits: Mapping[str, float]) -> str:
    return ", ".join(f"{name} can be brought down to {as_resource(name, least[name])}" for name in limits)
