"""The recipe's JSON Schema, which editors complete and check its YAML with: pydantic's own, and what plugins add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from blockwright.iterating.settings import MOST, Iterations
from blockwright.plugins import Plugins
from blockwright.post_training.rewards import RewardChoice
from blockwright.recipes.recipe import Recipe
from blockwright.recipes.schema.models import WRITTEN, Models, Node, as_yaml_has_it, first_line, without_titles
from blockwright.recipes.schema.sections import listed_plugins, name_or_file, named_plugin, one_plugin, options_of
from blockwright.recipes.schema.spaces import space_node
from blockwright.resources import named_files
from blockwright.searching.search import SearchSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema(plugins: Plugins) -> Node:
    """The schema of a whole recipe, with the options of every plugin that is installed here.

    It says which keys there are and which values they take. What needs a parent, such as whether a budget can be
    kept, only `blockwright check` knows.
    """
    models = Models([Recipe, SearchSettings, Iterations, RewardChoice, *_options(plugins)])
    models.replace(RewardChoice, _reward(plugins, models))
    starts, _ = models.properties(SearchSettings)
    starts["starts"]["items"] = {"enum": list(plugins.solvers)}
    known, required = models.properties(Recipe)
    written = {name: {**known[name], **node} for name, node in _sections(plugins, models).items()}
    body: Node = {
        "type": "object",
        "properties": {**known, **written},
        "required": required,
        "additionalProperties": False,
        "$defs": models.definitions,
    }
    found = as_yaml_has_it(without_titles(body))
    assert isinstance(found, dict)
    told = {"$schema": DIALECT, "title": "A recipe of Blockwright", "description": first_line(Recipe)}
    return {**told, **found, "$defs": {**WRITTEN, **found["$defs"]}}


def _options(plugins: Plugins) -> Iterator[type[BaseModel]]:
    """Of every plugin that a recipe can name."""
    kinds: tuple[Mapping[str, type[object]], ...] = (
        plugins.scorers,
        plugins.cost_models,
        plugins.solvers,
        plugins.transforms,
        plugins.stages,
        plugins.exporters,
        plugins.rewards,
        plugins.executors,
    )
    for known in kinds:
        yield from map(options_of, known.values())
    for variant in plugins.variants.values():
        yield options_of(type(variant))


def _sections(plugins: Plugins, models: Models) -> Mapping[str, Node]:
    spaces, hardware = (named_files(plugins.resource_folders(kind)) for kind in ("searchspaces", "hardware"))
    cost_model = named_plugin(plugins.cost_models, models)
    return {
        "space": space_node(spaces, plugins.variants, models),
        "scorer": named_plugin(plugins.scorers, models),
        "hardware": {"anyOf": [name_or_file(hardware, "a hardware profile"), {"type": "null"}]},
        "cost_model": {"anyOf": [cost_model, {"type": "null"}]},
        "solver": named_plugin(plugins.solvers, models),
        "transforms": listed_plugins(plugins.transforms, models),
        "stages": listed_plugins(plugins.stages, models),
        "exports": listed_plugins(plugins.exporters, models),
        "executor": named_plugin(plugins.executors, models),
        "iterations": {"anyOf": [_iterations(plugins, models), {"type": "null"}]},
    }


def _iterations(plugins: Plugins, models: Models) -> Node:
    """`3`, or `{budgets: […], heal: […]}`, which say how many there are."""
    known, _ = models.properties(Iterations)
    written = {**known, "heal": listed_plugins(plugins.stages, models)}
    either = [{"required": ["count"]}, {"required": ["budgets"]}]
    whole: Node = {"type": "object", "properties": written, "additionalProperties": False, "anyOf": either}
    return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST}, whole]}


def _reward(plugins: Plugins, models: Models) -> Node:
    """`exact`, `{format: {weight: 0.5}}`, or a function of anybody's: `my_package.rewards:brief`."""
    function = {"type": "string", "pattern": ":"}
    whole = {"type": "object", "properties": {"name": {"type": "string"}, "options": {"type": "object"}}}
    by_function = {"type": "object", "patternProperties": {":": {"type": ["object", "null"]}}, "maxProperties": 1}
    closed = {"additionalProperties": False}
    named = one_plugin(plugins.rewards, models)["anyOf"]
    return {"anyOf": [*named, function, {**by_function, **closed}, {**whole, "required": ["name"], **closed}]}
