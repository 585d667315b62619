"""Limits and floors as rows that HiGHS' tolerance of 1e-9 can tell apart.

In every unit the least cost is taken whatever is chosen, so rows are about what is above it, in units of what is left.
Where all costs are multiples of one step, a row ends half a step beyond its limit, so that rounding cannot matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from blockwright.problem import Problem
from blockwright.solution_rules import ROUNDING
from blockwright_plugins.solvers.highs.columns import Variables

MOST_STEPS = 1e8  # so that half a step is well above HiGHS' tolerance


@dataclass(frozen=True)
class Amount:
    """Σ extra · variable ≤ room: what each variable takes beyond the least of its unit, and what is left for that."""

    extra: Mapping[int, float]
    room: float

    @property
    def impossible(self) -> frozenset[int]:
        """Variables that alone are more than can be, whatever the links give back."""
        given_back = -math.fsum(min(0.0, cost) for cost in self.extra.values())
        return frozenset(at for at, cost in self.extra.items() if cost > self.room + given_back)

    @property
    def scaled(self) -> Amount:
        """With numbers near one."""
        steps = self._in_steps()
        largest = max([abs(steps.room), *map(abs, steps.extra.values())], default=1.0) or 1.0
        return Amount({at: cost / largest for at, cost in steps.extra.items()}, steps.room / largest)

    def _in_steps(self) -> Amount:
        step = _common_step(self.extra.values())
        if step == 0.0 or abs(self.room) > MOST_STEPS * step:
            return self
        return Amount({at: cost / step for at, cost in self.extra.items()}, math.floor(self.room / step) + 0.5)


def amounts_of(problem: Problem, variables: Variables) -> list[Amount]:
    """One a limit and floor, but for those that ask for nothing; a floor is a limit on the negative."""
    limits = [_amount(problem, variables, name, 1.0, limit) for name, limit in problem.limits.items()]
    floors = [_amount(problem, variables, name, -1.0, floor) for name, floor in problem.floors.items()]
    return [amount for amount in (*limits, *floors) if amount.room < math.inf]


def _amount(problem: Problem, variables: Variables, resource: str, sign: float, limit: float) -> Amount:
    costs = [sign * part.costs.get(resource, 0.0) for part in variables.parts]
    extra = {at: costs[at] for at in range(len(variables.columns), len(costs))}
    least = [min((costs[at] for at in unit), default=0.0) for unit in variables.units]
    for unit, start in zip(variables.units, least, strict=True):
        extra.update({at: costs[at] - start for at in unit})
    taken = math.fsum([sign * problem.fixed.get(resource, 0.0), *least])
    room = math.fsum([sign * limit, ROUNDING * abs(limit), -taken])
    return Amount({at: cost for at, cost in sorted(extra.items()) if cost}, room)


def _common_step(costs: Iterable[float]) -> float:
    """The largest number of which all are multiples, where all are whole; else 0."""
    listed = list(costs)
    if not all(cost.is_integer() for cost in listed):
        return 0.0
    return float(math.gcd(*map(int, listed)))
