"""What the baselines share: a child in the making, its totals, and the answer that it becomes."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from blockwright.plugins import installed_plugins
from blockwright.problem import Choice, Infeasible, Problem, Solution, Solver, refuse_unsupported
from blockwright.solution_rules import is_within, total
from blockwright_plugins.solvers.highs import refuse_what_is_not_a_number

PROGRESS = 1e-9  # of what a child is over its limits: steps that gain less could be mere rounding, and go in circles


@dataclass(frozen=True)
class Child:
    """One choice a sub-block; it may still be over the problem's limits."""

    problem: Problem
    taken: Mapping[str, Choice]

    @cached_property
    def score(self) -> float:
        return math.fsum(choice.score for choice in self.taken.values())

    @cached_property
    def totals(self) -> Mapping[str, float]:
        """What it takes of each limited resource."""
        return {resource: self._total(resource) for resource in self.problem.limits}

    @property
    def fits(self) -> bool:
        return self.excess == 0

    @cached_property
    def excess(self) -> float:
        """By how much it is over its limits, as shares of them, summed."""
        return self._excess_of(self.totals)

    @property
    def most_violated(self) -> str:
        """The resource that is furthest over its limit, as a share of it."""
        return max(self.problem.limits, key=lambda resource: self._over(resource, self.totals[resource]))

    def after(self, name: str, choice: Choice) -> Child:
        """The child in which one sub-block takes another choice."""
        return Child(self.problem, {**self.taken, name: choice})

    def is_nearer_after(self, name: str, choice: Choice) -> bool:
        """Whether that child is less over the limits than this one."""
        return self._excess_after(name, choice) < self.excess * (1 - PROGRESS)

    def fits_after(self, name: str, choice: Choice) -> bool:
        """Whether that child is within the limits."""
        return self._excess_after(name, choice) == 0

    def fewest_changes_that_fit(self) -> Child:
        """The child within the limits that differs from this one in the fewest sub-blocks, by HiGHS.

        The way out of a dead end, where limits pull apart; raises Infeasible when there is no such child at all.
        """
        changes = with_choices(
            self.problem, lambda name, choice: replace(choice, score=float(choice != self.taken[name]))
        )
        highs = installed_plugins().solver("highs")
        return child_of(self.problem, highs(highs.Options()).solve(changes).variants)

    @property
    def variants(self) -> dict[str, str]:
        return {name: choice.variant for name, choice in self.taken.items()}

    def _excess_after(self, name: str, choice: Choice) -> float:
        costs, now = choice.costs, self.taken[name].costs
        return self._excess_of({key: amount + costs[key] - now[key] for key, amount in self.totals.items()})

    def _total(self, resource: str) -> float:
        fixed = self.problem.fixed.get(resource, 0.0)
        return math.fsum([fixed, *(choice.costs[resource] for choice in self.taken.values())])

    def _excess_of(self, totals: Mapping[str, float]) -> float:
        return math.fsum(self._over(resource, amount) for resource, amount in totals.items())

    def _over(self, resource: str, amount: float) -> float:
        limit = self.problem.limits[resource]
        return 0.0 if is_within(amount, limit) else (amount - limit) / (abs(limit) or 1.0)


class Baseline(Solver):
    """A way of choosing that proves nothing: a child that it finds, and a plain bound."""

    supports = frozenset({"several_limits", "forced", "forbidden"})

    @abstractmethod
    def child(self, problem: Problem) -> Child:
        """A child within the limits; raises Infeasible where this way finds none. No orders are left in the problem."""

    def solve(self, problem: Problem) -> Solution:
        """The child with its totals; raises Infeasible with the least that this way of choosing can reach."""
        refuse_unsupported(self, problem)
        refuse_what_is_not_a_number(problem)
        start = time.monotonic()
        ordered = _under_orders(problem)
        child = self.child(ordered)
        return _solution(ordered, child, time.monotonic() - start)


def _under_orders(problem: Problem) -> Problem:
    """The choices that are left when what is forced is taken and what is forbidden is not."""
    choices = {
        name: tuple(
            choice
            for choice in options
            if choice.variant == problem.forced.get(name, choice.variant)
            and choice.variant not in problem.forbidden.get(name, ())
        )
        for name, options in problem.choices.items()
    }
    if not all(choices.values()):
        raise Infeasible(problem.limits, _least_of_each(problem))
    return replace(problem, choices=choices, forced={}, forbidden={})


def _least_of_each(problem: Problem) -> dict[str, float]:
    """The least of each limited resource that any choices add up to."""
    return {
        resource: math.fsum(
            [problem.fixed.get(resource, 0.0)]
            + [min(choice.costs[resource] for choice in options) for options in problem.choices.values()]
        )
        for resource in problem.limits
    }


def _solution(problem: Problem, child: Child, seconds: float) -> Solution:
    """Its bound is what no child can undercut: the sum of the least scores, and of the joints that lower it."""
    objective, costs = total(problem, child.variants)
    least = [min(choice.score for choice in options) for options in problem.choices.values()]
    bound = math.fsum([*least, *(min(0.0, joint.score) for joint in problem.joints)])
    return Solution(
        variants=child.variants,
        objective=objective,
        bound=bound,
        gap=(objective - bound) / max(abs(objective), 1e-12),
        status="optimal" if objective == bound else "heuristic",
        seconds=seconds,
        nodes=0,
        costs=costs,
    )


def child_of(problem: Problem, variants: Mapping[str, str]) -> Child:
    """From variants to their choices."""
    taken = {
        name: next(choice for choice in options if choice.variant == variants[name])
        for name, options in problem.choices.items()
    }
    return Child(problem, taken)


def with_choices(problem: Problem, change: Callable[[str, Choice], Choice]) -> Problem:
    """The same problem with every choice of every sub-block changed."""
    choices = {name: tuple(change(name, choice) for choice in options) for name, options in problem.choices.items()}
    return replace(problem, choices=choices)


def unchanged(problem: Problem) -> Child:
    """The parent as a child: `keep` everywhere, or the least score where a sub-block cannot be kept."""
    return Child(problem, {name: _kept(options) for name, options in problem.choices.items()})


def _kept(options: Iterable[Choice]) -> Choice:
    return min(options, key=lambda choice: (choice.variant != "keep", choice.score))


def none_fits(problem: Problem, children: Iterable[Child]) -> Infeasible:
    """The error that tells the least of each resource among the children that were looked at."""
    totals = [child.totals for child in children]
    return Infeasible(problem.limits, {resource: min(one[resource] for one in totals) for resource in problem.limits})
