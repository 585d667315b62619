"""Who is compared: solvers by their names, with what the search adds to them (`highs+children+rounds`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blockwright.errors import UserError, did_you_mean
from blockwright.plugins import Plugins
from blockwright.problem import Solver
from blockwright.recipes.checking import CheckedRecipe
from blockwright.recipes.recipe import Recipe
from blockwright.searching.search import SearchSettings

PARTS = ("children", "rounds")


@dataclass(frozen=True)
class Contender:
    """A solver with its options, what the search does beyond it, and the scorer that it is meant for."""

    name: str
    solver: Solver
    settings: SearchSettings
    scorer: str


def contenders(names: Sequence[str], recipe: Recipe, plugins: Plugins) -> list[Contender]:
    """UserError for unknown solvers and parts, all at once; a name that comes twice counts once."""
    made: list[Contender] = []
    mistakes: list[str] = []
    for name in dict.fromkeys(names):
        try:
            made.append(_contender(name, recipe, plugins))
        except UserError as error:
            mistakes += error.lines
    if mistakes:
        raise UserError(*mistakes)
    return made


def recipes_own(checked: CheckedRecipe) -> Contender:
    """The recipe's solver with the whole of its search."""
    recipe = checked.recipe
    return Contender(recipe.solver.name, checked.made.solver, recipe.search, recipe.scorer.name)


def _contender(name: str, recipe: Recipe, plugins: Plugins) -> Contender:
    word, *parts = name.split("+")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise UserError(
            f"--solvers: {name}: no part of the search is called '{unknown[0]}'{did_you_mean(unknown[0], PARTS)}"
        )
    if word not in plugins.solvers:
        raise UserError(f"--solvers: no solver is called '{word}'{did_you_mean(word, plugins.solvers)}")
    solver = plugins.solver(word)
    options = recipe.solver.options if word == recipe.solver.name else {}
    made = solver(solver.Options.model_validate(options))
    for part, feature in (("children", "apart"), ("rounds", "ball")):
        if part in parts and feature not in solver.supports:
            raise UserError(f"--solvers: {name}: {word} cannot be asked for {part}; leave +{part} out")
    return Contender(name, made, _settings(parts, recipe.search), solver.scored_by or recipe.scorer.name)


def _settings(parts: Sequence[str], search: SearchSettings) -> SearchSettings:
    """Only the parts that are named, as the recipe has them, or by default where it has switched them off."""
    usual = SearchSettings()
    return search.model_copy(
        update={
            "starts": (),
            "children": max(search.children, 2) if "children" in parts else 1,
            "rounds": (search.rounds or usual.rounds) if "rounds" in parts else 0,
        }
    )
