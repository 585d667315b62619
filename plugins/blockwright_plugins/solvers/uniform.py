"""`uniform`: the same variant in every layer, as models are narrowed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean

from blockwright.plugins import hookimpl
from blockwright.problem import Choice, Problem, Solver
from blockwright_plugins.solvers.baseline import Baseline, Child, none_fits

Taken = Mapping[str, Choice]  # by sub-block


class UniformSolver(Baseline):
    """One label for all attentions and one for all FFNs: of all pairs within the limits, that of least summed score.

    Where a layer does not offer the label, it takes its nearest by cost. The variants are the library's refitted ones.
    """

    name = "uniform"

    def child(self, problem: Problem) -> Child:
        slots: dict[str, list[str]] = {}
        for name in problem.choices:
            slots.setdefault(name.partition(".")[0], []).append(name)
        ways = [_ways(problem, names) for names in slots.values()]
        children = [Child(problem, _joined(combination)) for combination in product(*ways)]
        fitting = [child for child in children if child.fits]
        if not fitting:
            raise none_fits(problem, children)
        return min(fitting, key=lambda child: child.score)


def _joined(parts: Sequence[Taken]) -> Taken:
    return {name: choice for part in parts for name, choice in part.items()}


def _ways(problem: Problem, names: Sequence[str]) -> list[Taken]:
    """For each label that any of the sub-blocks offers, what each of them takes."""
    labels = dict.fromkeys(choice.variant for name in names for choice in problem.choices[name])
    return [_all_take(problem, names, label) for label in labels]


def _all_take(problem: Problem, names: Sequence[str], label: str) -> Taken:
    offered = [choice for name in names for choice in problem.choices[name] if choice.variant == label]
    wanted = {resource: fmean(choice.costs[resource] for choice in offered) for resource in problem.limits}
    return {
        name: min(problem.choices[name], key=lambda choice: (choice.variant != label, _distance(choice, wanted)))
        for name in names
    }


def _distance(choice: Choice, wanted: Mapping[str, float]) -> float:
    """Between costs, as shares of the wanted ones, summed over the limited resources."""
    return sum(abs(choice.costs[resource] - cost) / (abs(cost) or 1.0) for resource, cost in wanted.items())


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [UniformSolver]
