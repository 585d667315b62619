"""All that can be known to be wrong with a recipe before anything is written or computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from blockwright.costs import CostModel, Scenario
from blockwright.errors import UserError
from blockwright.executors import HERE, Executor
from blockwright.exporters import Exporter
from blockwright.exporting.targets import space_for_targets
from blockwright.measuring.whole_models import Target
from blockwright.parent import Parent, ParentSettings
from blockwright.plugins import Plugins, installed_plugins
from blockwright.problem import Solver
from blockwright.recipes.dry_run import dry_run_lines, dry_run_mistakes
from blockwright.recipes.feasibility import Joining, budget_mistakes, rules_of
from blockwright.recipes.fusion import fusion_mistakes, join_limits_of
from blockwright.recipes.iterations import with_iterations
from blockwright.recipes.mistakes import KeyPath, Mistake, mistakes_of
from blockwright.recipes.parent_outline import outline_parent
from blockwright.recipes.plugin_sections import make_cost_model, make_listed, make_named, make_starts
from blockwright.recipes.reading import RawRecipe, Source, read_raw
from blockwright.recipes.recipe import Recipe
from blockwright.scoring import Scorer
from blockwright.searching.join_making import join_rule, open_joins, with_join_savings, with_joins
from blockwright.searching.pricing import MAIN, Prices, Space, price
from blockwright.spaces.files import read_space
from blockwright.spaces.reading import resolve_space
from blockwright.stages import Stage
from blockwright.text.sources import refuse_what_is_no_source
from blockwright.transforms import JoinLimits, Transform


@dataclass(frozen=True)
class Made:
    """The plugins that a recipe names, with their options."""

    scorer: Scorer
    cost_model: CostModel
    solver: Solver
    stages: tuple[Stage, ...]
    starts: Mapping[str, Solver]
    exports: tuple[Exporter, ...] = ()
    transforms: tuple[Transform, ...] = ()
    executor: Executor = HERE


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe without mistakes, with its plugins made and its space read in; `parent` has no weights yet."""

    recipe: Recipe
    source: Source
    plugins: Plugins
    made: Made
    parent: Parent
    space: Space
    prices: Prices
    notes: tuple[str, ...] = ()
    before: CheckedRecipe | None = None
    """The iteration before, where the search goes in steps."""
    belongs_to: Path | None = None
    """Of an iteration before the last: the directory of the run that it is part of."""

    @property
    def directory(self) -> Path:
        return Path(self.recipe.runs) / self.recipe.name

    @property
    def join_limits(self) -> JoinLimits | None:
        """What the search may join; None where it joins nothing."""
        return join_limits_of(self.recipe.search.fusion, self.made.transforms)

    @property
    def space_labels(self) -> dict[str, list[str]]:
        return {str(sub_block): [spec.label for spec in specs] for sub_block, specs in self.space.items()}


def check_recipe(file: Path, overrides: Sequence[str] = ()) -> CheckedRecipe:
    """Everything that a run needs; UserError with all mistakes at once, each with file and line."""
    raw, plugins = read_raw(file, overrides), installed_plugins()
    check = _Check(raw, plugins)
    recipe, made, parent = check.recipe(), check.made(), check.parent()
    check.texts()
    space = check.space(parent)
    if check.mistakes or recipe is None or made is None or parent is None or space is None:
        raise raw.source.error(check.mistakes)
    unlike = [
        *_disagreements(recipe, parent),
        *fusion_mistakes(recipe.search.fusion, made.solver, made.transforms),
        *dry_run_mistakes(recipe, made.scorer),
    ]
    if unlike:
        raise raw.source.error(unlike)
    targeted = space_for_targets(space, made.exports, parent, plugins.variants)
    if targeted.mistakes:
        raise raw.source.error(targeted.mistakes)
    space = targeted.space
    prices = _priced(recipe, raw.source, parent, space, made.cost_model)
    if recipe.search.fusion != "off":
        prices = _with_join_savings(prices, raw.source, parent, space, made.cost_model)
    too_tight = _too_tight(recipe, parent, space, made, prices)
    if too_tight:
        raise raw.source.error(too_tight)
    notes = (*targeted.lines, *dry_run_lines(recipe, made.scorer))
    whole = recipe.model_copy(update={"space": check.written_space})
    return with_iterations(CheckedRecipe(whole, raw.source, plugins, made, parent, space, prices, notes))


def read_target(file: Path, overrides: Sequence[str] = ()) -> Target:
    """What a machine is measured for: a recipe's parent, space and scenarios; its hardware may not be there yet."""
    raw = read_raw(file, overrides)
    check = _Check(raw, installed_plugins())
    parent = check.parent()
    space, scenarios = check.space(parent), check.scenarios()
    if check.mistakes or parent is None or space is None:
        raise raw.source.error(check.mistakes)
    return Target(parent, space, scenarios)


def _priced(recipe: Recipe, source: Source, parent: Parent, space: Space, cost_model: CostModel) -> Prices:
    """What the machine cannot do in a scenario, and limits that nothing is known of, are mistakes of the recipe."""
    variants = installed_plugins().variants
    try:
        prices = price(parent, space, variants, cost_model, recipe.all_scenarios)
    except UserError:
        each = recipe.all_scenarios.items()
        failed = [(name, _failure(parent, space, cost_model, {name: scenario})) for name, scenario in each]
        raise source.error(_in_scenario(name, line) for name, lines in failed for line in lines) from None
    try:
        recipe.budget.limits(prices.parent)
    except UserError as error:
        raise source.error(mistake_in(line) for line in error.lines) from None
    return prices


def _with_join_savings(prices: Prices, source: Source, parent: Parent, space: Space, cost_model: CostModel) -> Prices:
    try:
        return with_join_savings(prices, parent, space, installed_plugins().variants, cost_model)
    except UserError as error:
        raise source.error(mistake_in(line) for line in error.lines) from None


def _failure(parent: Parent, space: Space, cost_model: CostModel, scenarios: Mapping[str, Scenario]) -> Sequence[str]:
    """Why scenarios cannot be priced, nothing where they can."""
    try:
        price(parent, space, installed_plugins().variants, cost_model, scenarios)
    except UserError as error:
        return error.lines
    return ()


def _in_scenario(name: str, line: str) -> Mistake:
    return Mistake(("scenario",) if name == MAIN else ("scenarios", name), line)


def _disagreements(recipe: Recipe, parent: Parent) -> list[Mistake]:
    """Layers that should agree and are not there."""
    return [
        Mistake(("search", "agree", index, "layers"), message)
        for index, agreement in enumerate(recipe.search.agree)
        for message in agreement.mistakes(parent.layers)
    ]


def _too_tight(recipe: Recipe, parent: Parent, space: Space, made: Made, prices: Prices) -> list[Mistake]:
    """Limits that no child keeps; where the search may choose the batch, at none of its sizes."""
    rules, mistakes = rules_of(recipe.budget, recipe.search, prices), []
    limits = join_limits_of(recipe.search.fusion, made.transforms) if recipe.search.fusion == "joint" else None
    for batch in recipe.search.batches or [None]:
        priced = prices if batch is None else _at_batch(batch, recipe, parent, space, made.cost_model)
        joining = None if limits is None else _joining(limits, parent, space, priced)
        mistakes = budget_mistakes(recipe.budget, priced, made.solver, rules, joining)
        if not mistakes:
            return []
    return mistakes


def _at_batch(batch: int, recipe: Recipe, parent: Parent, space: Space, cost_model: CostModel) -> Prices:
    variants = installed_plugins().variants
    scenarios = {**recipe.all_scenarios, MAIN: recipe.scenario.model_copy(update={"batch": batch})}
    prices = price(parent, space, variants, cost_model, scenarios)
    if recipe.search.fusion == "off":
        return prices
    return with_join_savings(prices, parent, space, variants, cost_model)


def _joining(limits: JoinLimits, parent: Parent, space: Space, prices: Prices) -> Joining:
    variants = installed_plugins().variants
    joins, rule = tuple(open_joins(parent, space, variants, limits)), join_rule(parent, space, variants, limits)
    return lambda problem: with_joins(problem, joins, prices.join_savings, rule)


class _Check:
    """Looks at each part of the recipe apart, so that a mistake in one hides none in another."""

    def __init__(self, raw: RawRecipe, plugins: Plugins) -> None:
        self._data, self._source, self._plugins = raw.data, raw.source, plugins
        self.mistakes: list[Mistake] = []
        self.written_space: object = None

    def recipe(self) -> Recipe | None:
        try:
            return Recipe.model_validate(self._data)
        except ValidationError as error:
            self.mistakes += mistakes_of(error, Recipe)
            return None

    def scenarios(self) -> tuple[Scenario, ...]:
        """All of them, the recipe's own first."""
        named = self._data.get("scenarios")
        entries: dict[tuple[str, ...], object] = {("scenario",): self._data.get("scenario", {})}
        entries |= {("scenarios", str(name)): one for name, one in (named if isinstance(named, dict) else {}).items()}
        found = []
        for path, entry in entries.items():
            try:
                found.append(Scenario.model_validate(entry))
            except ValidationError as error:
                self.mistakes += [mistake.under(*path) for mistake in mistakes_of(error, Scenario)]
        return tuple(found)

    def made(self) -> Made | None:
        """All plugins of the recipe, None where one of them is wrong."""
        data, plugins = self._data, self._plugins
        scorer, bad_scorer = make_named(plugins.scorers, "scorer", data.get("scorer"), "fisher")
        costs, bad_costs = make_cost_model(plugins.cost_models, data, self._source.file.parent)
        solver, bad_solver = make_named(plugins.solvers, "solver", data.get("solver"), "highs")
        transforms, bad_transforms = make_listed(plugins.transforms, "transform", "transforms", data.get("transforms"))
        stages, bad_stages = make_listed(plugins.stages, "stage", "stages", data.get("stages"))
        starts, bad_starts = make_starts(plugins.solvers, data.get("search"))
        exports, bad_exports = make_listed(plugins.exporters, "exporter", "exports", data.get("exports"))
        executor, bad_executor = make_named(plugins.executors, "executor", data.get("executor"), HERE.name)
        wrong = [*bad_scorer, *bad_costs, *bad_solver, *bad_transforms, *bad_stages, *bad_starts, *bad_exports]
        wrong += bad_executor
        self.mistakes += wrong
        if wrong or scorer is None or costs is None or solver is None or executor is None:
            return None
        return Made(scorer, costs, solver, tuple(stages), starts, tuple(exports), tuple(transforms), executor)

    def parent(self) -> Parent | None:
        """The parent's outline, None where its section or what it names is wrong."""
        settings = _valid(ParentSettings, self._data.get("parent"))
        if settings is None:
            return None
        try:
            return outline_parent(settings, self._plugins.families)
        except UserError as error:
            self.mistakes += [mistake_in(line, ("parent",)) for line in error.lines]
            return None

    def texts(self) -> None:
        """Sources that are neither of a known kind nor files."""
        text = self._data.get("text")
        for key in ("calibration", "evaluation"):
            sources = text.get(key) if isinstance(text, dict) else None
            for index, source in enumerate(sources if isinstance(sources, list) else []):
                name = source.get("source") if isinstance(source, dict) else source
                try:
                    if isinstance(name, str):
                        refuse_what_is_no_source(name)
                except ValueError as error:
                    self.mistakes.append(Mistake(("text", key, index), str(error)))

    def space(self, parent: Parent | None) -> Space | None:
        """The space on this parent; without a parent only its name or its file is looked at."""
        entry = self._data.get("space", Recipe.model_fields["space"].default)
        if not isinstance(entry, str | Mapping):
            return None
        try:
            written = read_space(entry, self._plugins.resource_folders("searchspaces"), self._source.file.parent)
        except UserError as error:
            self.mistakes += [mistake_in(line, ("space",)) for line in error.lines]
            return None
        self.written_space = written.data
        if parent is None:
            return None
        space, mistakes = resolve_space(written.data, parent, self._plugins.variants)
        self.mistakes += written.mistakes_in_the_recipe(mistakes)
        return None if mistakes else space


ModelT = TypeVar("ModelT", bound=BaseModel)


def _valid(model: type[ModelT], data: object) -> ModelT | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def mistake_in(line: str, section: KeyPath = ()) -> Mistake:
    """A line that begins with its key (`parent.model: no folder …`) as a mistake at that key, or at the section."""
    key, colon, message = line.partition(": ")
    path = tuple(key.split("."))
    named = colon and path[0] in Recipe.model_fields and path[: len(section)] == section
    return Mistake(path, message) if named else Mistake(section, line)
