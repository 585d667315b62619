"""`max-params`: the most parameters that the limits allow, whatever they are good for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat

from blockwright.errors import UserError
from blockwright.plugins import hookimpl, installed_plugins
from blockwright.problem import Choice, Problem, Solver, SolverOptions
from blockwright_plugins.solvers.baseline import Baseline, Child, child_of, with_choices

PARTNERS = 8  # of each kind of change, those of least score are tried with each other


class MaxParamsOptions(SolverOptions):
    """As HiGHS takes them: a child is called the largest when none has more than `mip_gap` of its parameters more.

    Exactly the most takes minutes to prove where a hundred layers have the same sizes.
    """

    time_limit_s: PositiveFloat = 60.0
    mip_gap: NonNegativeFloat = 1e-4
    seed: NonNegativeInt = 0


class MaxParamsSolver(Baseline):
    """Puzzle's baseline of maximal parameters (arXiv 2411.19146, table 12), by HiGHS, which sees no scores.

    Many children have equally many: from the one that HiGHS finds, changes of one or two sub-blocks lead to less
    summed score, until none does.
    """

    name = "max-params"
    Options = MaxParamsOptions

    def child(self, problem: Problem) -> Child:
        _refuse_unpriced(problem)
        highs = installed_plugins().solver("highs")
        options = highs.Options.model_validate(self.options.model_dump())
        sized = with_choices(problem, lambda _, choice: replace(choice, score=-choice.costs["params"]))
        child: Child | None = child_of(problem, highs(options).solve(sized).variants)
        while child is not None:
            largest, child = child, _better(child)
        return largest


def _refuse_unpriced(problem: Problem) -> None:
    for name, options in problem.choices.items():
        for choice in options:
            if "params" not in choice.costs:
                raise UserError(
                    f"solver.name: 'max-params' needs the parameters of every variant, and {name}, {choice.variant} "
                    f"has only {', '.join(choice.costs) or 'none'}; choose another solver or cost model"
                )


@dataclass(frozen=True)
class _Change:
    """One sub-block that takes another choice, with what that adds."""

    name: str
    choice: Choice
    params: float
    score: float


def _better(child: Child) -> Child | None:
    """Of equally many parameters and less score, within the limits; None where one or two changes lead to none."""
    for changes in sorted(_balanced(_by_params(child)), key=lambda changes: sum(change.score for change in changes)):
        taken = {change.name: change.choice for change in changes}
        after = Child(child.problem, {**child.taken, **taken})
        if after.score < child.score and after.fits:
            return after
    return None


def _by_params(child: Child) -> dict[float, list[_Change]]:
    """All changes of one sub-block by the parameters that they add, those of least score first."""
    groups: dict[float, list[_Change]] = {}
    for name, options in child.problem.choices.items():
        now = child.taken[name]
        for choice in options:
            change = _Change(name, choice, choice.costs["params"] - now.costs["params"], choice.score - now.score)
            groups.setdefault(change.params, []).append(change)
    return {params: sorted(group, key=lambda change: change.score) for params, group in groups.items()}


def _balanced(groups: Mapping[float, Sequence[_Change]]) -> Iterator[tuple[_Change, ...]]:
    """One change, or two, that add no parameters and lower the score."""
    yield from ((one,) for one in groups.get(0.0, ()) if one.score < 0)
    for params, group in groups.items():
        for one, other in product(group[:PARTNERS], groups.get(-params, ())[:PARTNERS]):
            if one.name != other.name and one.score + other.score < 0:
                yield one, other


@hookimpl
def register_solvers() -> list[type[Solver]]:
    return [MaxParamsSolver]
