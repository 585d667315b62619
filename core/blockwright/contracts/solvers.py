"""What every solver must do. A rule takes a solver and raises AssertionError with a sentence about what it breaks.

Exact solvers must answer with the optimum and refuse nothing that has one; others must keep what is asked, tell a bound
that is not above their objective, and may find nothing where a limit is tight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

from blockwright.contracts.small_problems import children, random_problem
from blockwright.errors import UserError
from blockwright.problem import Choice, Feature, Infeasible, Problem, Solution, Solver
from blockwright.solution_rules import check_solution

SEEDS = range(12)
CLOSE = 1e-6  # the relative gap at which an optimum counts as proven
SHARES: Mapping[str, float] = {"keep": 1.0, "half": 0.5, "skip": 0.0}


def solver_answers_where_everything_fits(solver: Solver) -> None:
    """Limits that no child can break leave a child to every solver."""
    problem = _layers(lambda share: Choice("", 1 - share, {"params": 10 * share}), limit=1000.0)
    _check(solver, problem, solver.solve(problem), children(problem))


def solver_keeps_every_limit(solver: Solver) -> None:
    """On random problems, with several limits where it supports them."""
    for seed in SEEDS:
        _answer(solver, random_problem(seed, solver.supports & {"several_limits"}))


def solver_meets_a_limit_exactly(solver: Solver) -> None:
    """A child that takes all of a limit fits; where the limit is one unit less, it does not."""
    for unit, whole in ((1.0, 30.0), (1.0, 1e12), (1e-3, 30.0)):
        problem = _layers(partial(_costing, unit * whole))
        most = 4 * unit * whole
        met = _answer(solver, replace(problem, limits={"params": most}))
        left_out = solver.exact and (met is None or met.objective > 0)
        _must(not left_out, solver, f"left out a child that takes all of {most!r}")
        _answer(solver, replace(problem, limits={"params": most - unit}))


def solver_finds_the_optimum(solver: Solver) -> None:
    """Exact solvers find what brute force finds; with all that a problem may ask of them, each alone and together."""
    asked: list[Collection[Feature]] = [(), *([one] for one in sorted(solver.supports)), solver.supports]
    for features in asked:
        for seed in SEEDS:
            _answer(solver, random_problem(seed, features))


def solver_tells_an_honest_bound(solver: Solver) -> None:
    """Not above its objective, nor above what any child reaches; the gap is between the two."""
    for seed in SEEDS:
        problem = random_problem(seed)
        solution = _answer(solver, problem)
        if solution is None:
            continue
        least = children(problem)[0][0]
        _must(
            solution.bound <= least + _tolerance(least), solver, f"told a bound of {solution.bound!r} above {least!r}"
        )
        _must(solution.gap >= 0, solver, f"told a gap of {solution.gap!r}")
        if solver.exact:
            _must(solution.status == "optimal", solver, f"called a problem of four sub-blocks {solution.status}")


def solver_tells_the_least_where_nothing_fits(solver: Solver) -> None:
    """Infeasible, with what the cheapest child takes; one that is not exact may know no cheaper than its own."""
    problem = _layers(lambda share: Choice("", 1 - share, {"params": 10 * share + 5}), limit=10.0, fixed=7.0)
    try:
        solver.solve(problem)
    except Infeasible as error:
        told = error.least.get("params", math.nan)
        right = told == 27.0 if solver.exact else told >= 27.0
        _must(right, solver, f"told {told!r} as the least, which is 27.0")
        return
    raise AssertionError(f"{solver.name}: answered where no child fits instead of raising Infeasible")


def solver_chooses_where_there_is_no_choice(solver: Solver) -> None:
    """One variant a sub-block, or one sub-block."""
    _answer(solver, random_problem(0, labels=1))
    one = random_problem(1).choices["ffn.0"]
    _answer(solver, Problem({"ffn.0": one}, {"params": 75.0}))
    _answer(solver, Problem({"ffn.0": one[:1]}, {"params": one[0].costs["params"]}))


def solver_takes_ties_and_zeros(solver: Solver) -> None:
    """Equal choices, choices that cost nothing, and scores that are all zero; equal problems have equal answers."""
    for problem in (
        _layers(lambda share: Choice("", 1.0, {"params": 1.0}), limit=4.0),
        _layers(lambda share: Choice("", 1 - share, {"params": 0.0}), limit=0.0),
        _layers(lambda share: Choice("", 0.0, {"params": 10 * share}), limit=20.0),
    ):
        first, second = _answer(solver, problem), _answer(solver, problem)
        same = (first and first.variants) == (second and second.variants)
        _must(same, solver, "answered two equal problems differently")


def solver_takes_negative_scores(solver: Solver) -> None:
    """Around an incumbent child, a change may be a gain."""
    _answer(solver, _layers(lambda share: Choice("", share - 1, {"params": 10 * share}), limit=25.0))
    _answer(solver, _layers(lambda share: Choice("", -share, {"params": 10 * share}), limit=25.0))


def solver_takes_huge_and_tiny_units(solver: Solver) -> None:
    """Bytes of 1e12 and thousandths of a ms in one problem, and scores of 1e-9 nats."""
    if "several_limits" not in solver.supports:
        return
    for limit in (2.0e12, 2.5e12):
        problem = _layers(lambda share: Choice("", 1e-9 * (1 - share), {"params": 1e12 * share, "ms": 1e-3 * share}))
        _answer(solver, replace(problem, limits={"params": limit, "ms": 2.2e-3}))


def solver_refuses_what_it_does_not_support(solver: Solver) -> None:
    """UserError naming it, from `solve` itself, rather than a child that ignores it."""
    for feature in sorted(set(get_args(Feature)) - solver.supports):
        _must(_refuses(solver, feature), solver, f"answered a problem with {feature}, which it does not support")


def _refuses(solver: Solver, feature: Feature) -> bool:
    try:
        solver.solve(random_problem(0, [feature]))
    except UserError as error:
        _must(feature in str(error), solver, f"refused {feature} without naming it: {error}")
        return True
    except Infeasible:
        pass
    return False


def _answer(solver: Solver, problem: Problem) -> Solution | None:
    """The solution, checked; None where no child fits, or where a solver that is not exact finds none."""
    found = children(problem)
    try:
        solution = solver.solve(problem)
    except (Infeasible, UserError) as error:
        if found and solver.exact:
            raise AssertionError(f"{solver.name}: found no child though there is {found[0]}: {error}") from error
        return None
    _check(solver, problem, solution, found)
    return solution


def _check(
    solver: Solver, problem: Problem, solution: Solution, found: Sequence[tuple[float, Mapping[str, str]]]
) -> None:
    """Nothing is broken, the sums are the sums, and the objective is the optimum where the solver is exact."""
    broken = check_solution(problem, solution)
    _must(not broken, solver, f"{'; '.join(broken)}, in {problem}")
    best, _ = found[0]
    missed = solver.exact and solution.objective > best + _tolerance(best)
    _must(not missed, solver, f"found {solution.objective!r} where the optimum is {best!r}, in {problem}")
    _must(solution.bound <= solution.objective + _tolerance(best), solver, "told a bound above its own objective")


def _layers(choice_of: Callable[[float], Choice], limit: float = math.inf, fixed: float = 0.0) -> Problem:
    """Two layers whose sub-blocks all offer `choice_of` the share that is kept: all, half or nothing."""
    options = tuple(replace(choice_of(share), variant=label) for label, share in SHARES.items())
    names = [f"{slot}.{layer}" for layer in (0, 1) for slot in ("attention", "ffn")]
    return Problem(dict.fromkeys(names, options), {"params": limit}, {"params": fixed})


def _costing(whole: float, share: float) -> Choice:
    return Choice("", 1 - share, {"params": whole * share})


def _tolerance(objective: float) -> float:
    return CLOSE * abs(objective) + 1e-14


def _must(kept: bool, solver: Solver, otherwise: str) -> None:
    if not kept:
        raise AssertionError(f"{solver.name}: {otherwise}")


SOLVER_CONTRACT: tuple[Callable[[Solver], None], ...] = (
    solver_answers_where_everything_fits,
    solver_keeps_every_limit,
    solver_meets_a_limit_exactly,
    solver_finds_the_optimum,
    solver_tells_an_honest_bound,
    solver_tells_the_least_where_nothing_fits,
    solver_chooses_where_there_is_no_choice,
    solver_takes_ties_and_zeros,
    solver_takes_negative_scores,
    solver_takes_huge_and_tiny_units,
    solver_refuses_what_it_does_not_support,
)
"""All rules, to parametrize over."""
