"""A search in steps as recipes: each iteration before the last is one of its own, which ends with a healed child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.iterating.settings import Iterations, budget_of_iteration
from blockwright.recipes.budget import Budget
from blockwright.recipes.feasibility import budget_mistakes, limits_within, rules_of
from blockwright.recipes.mistakes import Mistake
from blockwright.recipes.plugin_sections import make_listed
from blockwright.running.files import ITERATIONS
from blockwright.terminal.resources import as_resource, told_as

if TYPE_CHECKING:
    from blockwright.recipes.checking import CheckedRecipe
    from blockwright.recipes.recipe import Recipe
    from blockwright.scoring import Scorer
    from blockwright.stages import Stage

Section = tuple[str, Mapping[str, object]]


@dataclass(frozen=True)
class Healing:
    """The stages between two searches, made, and as the recipe has them."""

    stages: tuple[Stage, ...]
    sections: tuple[Section, ...]


def with_iterations(checked: CheckedRecipe) -> CheckedRecipe:
    """The same with the iterations before it, the last of them first; UserError with all that is wrong with them.

    A dry run makes no children, so nothing comes before its search.
    """
    settings, recipe = checked.recipe.iterations, checked.recipe
    if settings is None or settings.count == 1 or not recipe.parent.weights:
        return checked
    healing, mistakes = _healing(settings, checked)
    mistakes += _mistakes(recipe, checked.made.scorer)
    budgets = settings.budgets or tuple(
        budget_of_iteration(number, settings.count, recipe.budget, checked.prices.parent)
        for number in range(1, settings.count)
    )
    for index, budget in enumerate(budgets):
        mistakes += [mistake.under("iterations", "budgets", index) for mistake in _too_tight(budget, checked)]
    if mistakes:
        raise checked.source.error(mistakes)
    before: CheckedRecipe | None = None
    for number, budget in enumerate(budgets, start=1):
        before = _iteration(number, budget, healing, checked, before)
    return replace(checked, before=before, notes=(*checked.notes, _told(budgets, healing, checked)))


def _told(budgets: Sequence[Budget], healing: Healing, checked: CheckedRecipe) -> str:
    """`Searches in 3 steps: params 119.6 M, then 106 M, then the budget; after each but the last: refit.`"""
    limits = [limits_within(budget, checked.prices) for budget in budgets]
    steps = [", ".join(f"{told_as(name)} {as_resource(name, one[name])}" for name in one) for one in limits]
    healers = ", ".join(name for name, _ in healing.sections)
    return f"Searches in {len(budgets) + 1} steps: {', then '.join(steps)}, then the budget; in between: {healers}."


def iterations_of(checked: CheckedRecipe) -> list[CheckedRecipe]:
    """All of them in order, the recipe itself last."""
    return [*(iterations_of(checked.before) if checked.before else []), checked]


def _iteration(
    number: int, budget: Budget, healing: Healing, last: CheckedRecipe, before: CheckedRecipe | None
) -> CheckedRecipe:
    made = replace(last.made, stages=healing.stages, transforms=(), exports=())
    changes: dict[str, object] = {
        "name": str(number),
        "runs": str(last.directory / ITERATIONS),
        "budget": budget,
        "stages": tuple({name: dict(options)} for name, options in healing.sections),
        "transforms": (),
        "exports": (),
        "evaluation": None,
        "iterations": None,
    }
    if before is not None:
        changes["library"] = last.recipe.library.model_copy(update={"shared": None})
    recipe = last.recipe.model_copy(update=changes)
    return replace(last, recipe=recipe, made=made, notes=(), before=before, belongs_to=last.directory)


def _healing(settings: Iterations, checked: CheckedRecipe) -> tuple[Healing, list[Mistake]]:
    """What `heal` lists; else the recipe's own stages that heal."""
    if settings.heal_sections is not None:
        stages, mistakes = make_listed(checked.plugins.stages, "stage", "heal", list(settings.heal or ()))
        healing = Healing(tuple(stages), settings.heal_sections)
        return healing, [mistake.under("iterations") for mistake in mistakes]
    pairs = zip(checked.made.stages, checked.recipe.stage_sections, strict=True)
    found = [(stage, section) for stage, section in pairs if stage.heals]
    if found:
        return Healing(tuple(stage for stage, _ in found), tuple(section for _, section in found)), []
    nothing = "none of the recipe's stages heals; say what does, like `iterations: {count: 3, heal: [refit]}`"
    return Healing((), ()), [Mistake(("iterations",), nothing)]


def _mistakes(recipe: Recipe, scorer: Scorer) -> list[Mistake]:
    mistakes = []
    if recipe.search.fusion != "off":
        told = "joins are not searched for in steps; add search.fusion=off, or leave `iterations` out"
        mistakes.append(Mistake(("search", "fusion"), told))
    if not scorer.needs_weights:
        told = f"'{scorer.name}' looks at no weights, so that a healed child changes nothing; write scorer.name=fisher"
        mistakes.append(Mistake(("scorer", "name"), told))
    return mistakes


def _too_tight(budget: Budget, checked: CheckedRecipe) -> Sequence[Mistake]:
    """Its own mistakes, at keys inside of it."""
    try:
        rules = rules_of(budget, checked.recipe.search, checked.prices)
    except UserError as error:
        keyed = (line.partition(": ") for line in error.lines)
        return [Mistake(tuple(key.split("."))[1:], message) for key, _, message in keyed]
    found = budget_mistakes(budget, checked.prices, checked.made.solver, rules)
    return [replace(mistake, path=mistake.path[1:]) for mistake in found]
