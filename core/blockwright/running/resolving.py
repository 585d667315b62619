"""Other budgets from the scores and costs that a run has stored: seconds, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.plugins import installed_plugins
from blockwright.problem import Solution, Solver
from blockwright.recipes.budget import Budget
from blockwright.recipes.feasibility import Joining, budget_mistakes, rules_of
from blockwright.recipes.fusion import join_limits_of
from blockwright.recipes.mistakes import mistakes_of
from blockwright.recipes.plugin_sections import make_listed, make_named
from blockwright.recipes.reading import Override, RawRecipe, Source, parse_overrides, read_raw
from blockwright.running.files import COSTS, SCORES, SOLVE, RunFiles
from blockwright.running.steps.solving import problem_with_joins
from blockwright.searching.fusing import walkers
from blockwright.searching.join_making import open_joins, scored, scores_of_joins
from blockwright.searching.pricing import Prices
from blockwright.searching.search import SearchSettings

Limits = Mapping[str, object]


def read_limits(texts: Sequence[str]) -> Limits:
    """`params=70%` or `budget.params=70%`, as typed on the command line."""
    limits = {}
    for override in parse_overrides(texts):
        key = ".".join(map(str, override.path)).removeprefix("budget.")
        limits[key] = override.value
    return limits


def solve_again(files: RunFiles, limits: Limits) -> Solution:
    """The best child by stored scores within the run's budget, with these limits in place of its own.

    UserError for a run that has no scores yet, a limit that is none, and a budget that no child keeps.
    """
    raw = _with_limits(read_raw(files.directory / "recipe.yaml"), limits)
    settings = SearchSettings.model_validate(raw.data.get("search") or {})
    _require(files, (SCORES, COSTS) if settings.fusion == "off" else (SCORES, COSTS, SOLVE))
    budget, solver, prices = _budget(raw), _solver(raw), files.prices()
    rules, joining = rules_of(budget, settings, prices), _joining(raw, settings, files, prices)
    too_tight = budget_mistakes(budget, prices, solver, rules, joining if settings.fusion == "joint" else None)
    if too_tight:
        raise raw.source.error(too_tight)
    *_, walker = walkers(solver, settings.fusion).values()
    return walker.solve(joining(files.problem(prices, rules)))


def _require(files: RunFiles, steps: Sequence[str]) -> None:
    for step in steps:
        if not (files.directory / step / "done.json").exists():
            raise UserError(f"{files.directory}: has no {step} yet; `blockwright run` makes them")


def _joining(raw: RawRecipe, settings: SearchSettings, files: RunFiles, prices: Prices) -> Joining:
    """The joins that the run has scored; the problem as it is where its search made none."""
    transforms, mistakes = make_listed(
        installed_plugins().transforms, "transform", "transforms", raw.data.get("transforms")
    )
    if mistakes:
        raise raw.source.error(mistakes)
    limits = join_limits_of(settings.fusion, transforms)
    if limits is None:
        return lambda problem: problem
    found = open_joins(files.parent, files.space(), files.variants, limits)
    joins = scored(found, scores_of_joins(files.directory / SOLVE))
    return lambda problem: problem_with_joins(problem, files, prices, limits, joins)


def _with_limits(raw: RawRecipe, limits: Limits) -> RawRecipe:
    stored = raw.data["budget"]
    assert isinstance(stored, dict)
    overrides = tuple(Override(f"{key}={value}", ("budget", key), value) for key, value in limits.items())
    source = Source(raw.source.file, raw.source.text, overrides)
    return RawRecipe({**raw.data, "budget": {**stored, **limits}}, source)


def _budget(raw: RawRecipe) -> Budget:
    try:
        return Budget.model_validate(raw.data["budget"])
    except ValidationError as error:
        raise raw.source.error(mistake.under("budget") for mistake in mistakes_of(error, Budget)) from None


def _solver(raw: RawRecipe) -> Solver:
    solver, mistakes = make_named(installed_plugins().solvers, "solver", raw.data.get("solver"), "highs")
    if solver is None:
        raise raw.source.error(mistakes)
    return solver
