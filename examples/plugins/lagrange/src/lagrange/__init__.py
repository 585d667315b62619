"""`lagrange`: prices on the limits, moved until the child that they make cheapest keeps them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import PositiveInt

import blockwright
from blockwright.problem import Choice, Infeasible, Problem, Solution, Solver, SolverOptions, refuse_unsupported
from blockwright.solution_rules import broken_rules, total

ROUNDING = 1e-13
Array = np.ndarray
Row = tuple[Callable[[str, Choice], float], float]  # what a choice takes, and the most that all may take


class LagrangeOptions(SolverOptions):
    """`steps`: how often prices are moved."""

    steps: PositiveInt = 200


class Lagrange(Solver):
    """Lagrangian relaxation with subgradient steps; each priced child is brought within the limits, then improved.

    The dual bounds every child from below, so the gap is honest (Fisher, Management Science 27(1), 1981).
    """

    name = "lagrange"
    Options = LagrangeOptions
    contract_options = ({"steps": 50},)
    supports = frozenset({"floors", "forced", "forbidden", "ball", "apart", "several_limits"})

    def solve(self, problem: Problem) -> Solution:
        refuse_unsupported(self, problem)
        assert isinstance(self.options, LagrangeOptions)
        start = time.monotonic()
        if not all(allowed(problem, name) for name in problem.choices):
            raise _infeasible(problem)
        search = _Search(_Table.of(problem), problem)
        bound = search.run(self.options.steps)
        if search.best is None:
            raise _infeasible(problem)
        objective, costs = total(problem, search.best)
        bound = min(bound, objective)
        gap = (objective - bound) / max(abs(objective), 1e-12)
        status = "optimal" if gap <= 1e-9 else "heuristic"
        seconds = time.monotonic() - start
        return Solution(search.best, objective, bound, gap, status, seconds, nodes=self.options.steps, costs=costs)


@dataclass(frozen=True)
class _Table:
    """All allowed choices, flat: `owner` (choices,) counts sub-blocks, `takes` (choices, limits) is scaled."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    owner: Array
    scores: Array
    takes: Array
    limits: Array

    @classmethod
    def of(cls, problem: Problem) -> _Table:
        names = tuple(problem.choices)
        flat = [(number, choice) for number, name in enumerate(names) for choice in allowed(problem, name)]
        rows = [row for row in _rows(problem) if math.isfinite(row[1])]
        takes = np.array([[take(names[number], choice) for take, _ in rows] for number, choice in flat])
        takes, limits = takes.reshape(len(flat), len(rows)), np.array([most for _, most in rows])
        scale = np.maximum(np.maximum(np.abs(limits), np.abs(takes).max(axis=0, initial=0.0)), 1e-300)
        return cls(
            names,
            tuple(choice.variant for _, choice in flat),
            np.array([number for number, _ in flat]),
            np.array([choice.score for _, choice in flat]),
            takes / scale,
            limits / scale,
        )

    @cached_property
    def starts(self) -> Array:
        """The first choice of each sub-block."""
        return np.searchsorted(self.owner, np.arange(len(self.names)))

    def cheapest(self, prices: Array) -> Array:
        """One choice a sub-block, of least score + prices · takes."""
        priced = self.scores + self.takes @ prices
        ends = [*self.starts[1:], len(priced)]
        return np.array([low + int(np.argmin(priced[low:high])) for low, high in zip(self.starts, ends, strict=True)])

    def variants(self, taken: Array) -> dict[str, str]:
        return {name: self.labels[choice] for name, choice in zip(self.names, taken, strict=True)}


class _Search:
    """Moves prices, and keeps the best child that was met on the way."""

    def __init__(self, table: _Table, problem: Problem) -> None:
        self.table, self.problem = table, problem
        self.best: dict[str, str] | None = None
        self.objective = math.inf
        self._seen: set[bytes] = set()

    def run(self, steps: int) -> float:
        """The highest of the dual's values."""
        table, bound, pace = self.table, -math.inf, 1.0
        prices, spread = np.zeros(len(table.limits)), float(np.ptp(table.scores)) or 1.0
        for _ in range(steps):
            taken = table.cheapest(prices)
            excess = table.takes[taken].sum(axis=0) - table.limits
            value = math.fsum(table.scores[taken]) + float(prices @ excess)
            value -= 1e-12 * (float(np.abs(table.scores[taken]).sum()) + float(np.abs(prices) @ np.abs(excess)))
            pace = pace if value > bound else 0.95 * pace
            bound = max(bound, value)
            self._try(taken)
            steepness = float(excess @ excess)
            if steepness == 0 or self.objective <= bound:
                break
            missing = self.objective - value if math.isfinite(self.objective) else spread
            prices = np.maximum(0.0, prices + pace * missing / steepness * excess)
        return bound

    def _try(self, taken: Array) -> None:
        if taken.tobytes() in self._seen:
            return
        self._seen.add(taken.tobytes())
        within = self._repaired(taken)
        if within is None:
            return
        variants = self.table.variants(self._improved(within))
        if (
            not broken_rules(self.problem, variants)
            and (objective := total(self.problem, variants)[0]) < self.objective
        ):
            self.best, self.objective = variants, objective

    def _repaired(self, taken: Array) -> Array | None:
        """By the steps that lose least for each part of the excess that they take away; None where there are none."""
        while (excess := self._excess_after(taken))[taken[0]] > 0:
            now = excess[taken[0]]
            lost = self.table.scores - self.table.scores[taken][self.table.owner]
            saved = np.where(now - excess > 1e-9 * now, now - excess, 0.0)  # more than sums are rounded by
            if not (saved > 0).any():
                return None
            worth = np.where(saved > 0, np.where(lost > 0, lost / np.where(saved > 0, saved, 1.0), lost), np.inf)
            taken = self._after(taken, int(np.argmin(worth)))
        return taken

    def _improved(self, taken: Array) -> Array:
        """By single steps within the limits, the largest gain first."""
        while True:
            lost = self.table.scores - self.table.scores[taken][self.table.owner]
            lost = np.where(self._excess_after(taken) == 0, lost, np.inf)
            best = int(np.argmin(lost))
            if not lost[best] < 0:
                return taken
            taken = self._after(taken, best)

    def _excess_after(self, taken: Array) -> Array:
        """How far over its limits the child would be after each step (choices,); one that is taken changes nothing."""
        table = self.table
        after = table.takes[taken].sum(axis=0) + table.takes - table.takes[taken][table.owner]
        over = after - table.limits - ROUNDING * np.abs(table.limits)
        return np.maximum(over, 0.0).sum(axis=1)

    def _after(self, taken: Array, choice: int) -> Array:
        changed = taken.copy()
        changed[self.table.owner[choice]] = choice
        return changed


def allowed(problem: Problem, name: str) -> Sequence[Choice]:
    """What may be chosen there."""
    forced, forbidden = problem.forced.get(name), problem.forbidden.get(name, frozenset())
    return [one for one in problem.choices[name] if one.variant not in forbidden and forced in (None, one.variant)]


def _rows(problem: Problem) -> Iterator[Row]:
    """Limits, and what can be said like one: floors, the ball, and distances from other solutions."""
    for resource, most in problem.limits.items():
        yield _taking(resource, 1), most - problem.fixed.get(resource, 0.0)
    for resource, least in problem.floors.items():
        yield _taking(resource, -1), problem.fixed.get(resource, 0.0) - least
    if problem.ball is not None:
        yield _differing(problem.ball.centre, 1), problem.ball.radius
    for apart in problem.apart:
        yield _differing(apart.solution, -1), -apart.distance


def _taking(resource: str, sign: int) -> Callable[[str, Choice], float]:
    return lambda name, choice: sign * choice.costs.get(resource, 0.0)


def _differing(centre: Mapping[str, str], sign: int) -> Callable[[str, Choice], float]:
    return lambda name, choice: sign * float(centre.get(name) != choice.variant)


def _infeasible(problem: Problem) -> Infeasible:
    """With the least of each limit and the most of each floor, each alone."""

    def reached(resource: str, best: Callable[[Iterator[float]], float]) -> float:
        each = (best(one.costs.get(resource, 0.0) for one in options) for options in problem.choices.values())
        return math.fsum([problem.fixed.get(resource, 0.0), *each])

    least = {resource: reached(resource, min) for resource in problem.limits}
    return Infeasible(problem.limits, least, problem.floors, {one: reached(one, max) for one in problem.floors})


@blockwright.hookimpl
def register_solvers() -> list[type[Solver]]:
    return [Lagrange]
