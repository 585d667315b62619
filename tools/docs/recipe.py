"""The page of the recipe, from the models that read it and from the options of every installed plugin."""

from __future__ import annotations

import html
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from blockwright.plugins import installed_plugins
from blockwright.recipes.plugin_sections import NoOptions
from blockwright.recipes.recipe import PluginSection, Recipe
from blockwright.recipes.schema import recipe_schema
from blockwright.recipes.schema.models import Models

HEAD = """# The recipe

A recipe is a YAML file of the sections below; `blockwright check RECIPE` tells every mistake in it with its line.
`key=value` on the command line replaces a key (`budget.params=70%`), `${...}` refers to another one. Sections that are
not written have their defaults. This page is made from the models that read recipes, as is their JSON Schema, which
`blockwright schema` prints ([here](recipe.schema.json), for the plugins that come with Blockwright). An editor that
knows YAML schemas completes and checks recipes with it, by a first line
`# yaml-language-server: $schema=recipe.schema.json`.
"""
PLUGINS = {  # attribute of Plugins -> heading, and where its names stand
    "scorers": ("Scorers", "scorer: {{name: {name}}}"),
    "cost_models": ("Cost models", "cost_model: {{name: {name}}}"),
    "solvers": ("Solvers", "solver: {{name: {name}}}"),
    "transforms": ("Transforms", "transforms: [{name}]"),
    "stages": ("Stages", "stages: [{name}]"),
    "rewards": ("Rewards", "rewards: [{name}]"),
    "exporters": ("Exporters", "exports: [{name}]"),
    "executors": ("Executors", "executor: {{name: {name}}}"),
}

_CODE_OR_NOT = re.compile(r"(`[^`]*`)|([^`]+|`)")


def page() -> str:
    """Markdown: the sections in the order of the recipe, then the options of plugins by kind."""
    return "\n".join(_Page().lines())


def schema() -> str:
    """What `blockwright schema` prints."""
    return json.dumps(recipe_schema(installed_plugins()), indent=1, ensure_ascii=False)


class _Page:
    """Tells each model once, in the first place where it is met; tables elsewhere link to it."""

    def __init__(self) -> None:
        self._told: set[type[BaseModel]] = {Recipe, PluginSection}

    def lines(self) -> Iterator[str]:
        yield from [HEAD, *_table(Recipe), ""]
        for name, field in Recipe.model_fields.items():
            for model in _models_in(field.annotation):
                yield from self._section(f"## `{name}`", model)
        yield "## Variants\n\nWords of a search space, by slot.\n"
        for (slot, kind), variant in installed_plugins().variants.items():
            yield from self._plugin(f"### `{kind}` ({slot})", "", type(variant))
        for attribute, (heading, place) in PLUGINS.items():
            yield f"## {heading}\n"
            for name, plugin in sorted(getattr(installed_plugins(), attribute).items()):
                yield from self._plugin(f"### `{name}`", f"`{place.format(name=name)}`\n", plugin)

    def _plugin(self, heading: str, place: str, plugin: type) -> Iterator[str]:
        yield from [f"{heading}\n", place, _prose(plugin), ""]
        yield from self._told_of(getattr(plugin, "Options", NoOptions))

    def _section(self, heading: str, model: type[BaseModel]) -> Iterator[str]:
        if model not in self._told:
            self._told.add(model)
            yield f"{heading} {{#{_anchor(model)}}}\n"
            yield from self._told_of(model)

    def _told_of(self, model: type[BaseModel]) -> Iterator[str]:
        if not model.model_fields:
            yield "No options.\n"
            return
        for one in reversed(model.__mro__):  # a section's bases say what their own options mean
            if issubclass(one, BaseModel) and one.__module__.startswith("blockwright") and one.__annotations__:
                yield f"{_prose(one)}\n"
        yield from [*_table(model), ""]
        for name, field in model.model_fields.items():
            for inner in _models_in(field.annotation):
                yield from self._section(f"#### Inside `{name}`", inner)


def _anchor(model: type[BaseModel]) -> str:
    return model.__name__.lower()


def _prose(thing: type) -> str:
    """Its own docstring; what Markdown would take for HTML is escaped where it is not code anyway."""
    text = inspect.cleandoc(thing.__dict__.get("__doc__") or "")
    return _CODE_OR_NOT.sub(lambda part: part[1] or html.escape(part[2], quote=False), text)


def _table(model: type[BaseModel]) -> Iterator[str]:
    properties, required = Models([model]).properties(model)
    yield from ["| key | what it takes | default |", "|---|---|---|"]
    for name, entry in properties.items():
        default = "required" if name in required else _default(entry, model, name)
        yield f"| `{name}` | {_takes(entry)} | {default} |"


def _default(entry: Mapping[str, Any], model: type[BaseModel], name: str) -> str:
    value = entry.get("default", model.model_fields[name].default)
    if isinstance(model.model_fields[name].default, BaseModel) and not isinstance(value, str):
        return "its defaults" if "name" not in value else f"<code>{value['name']}</code>"
    return "" if value is None else f"<code>{_escaped(json.dumps(value, ensure_ascii=False, default=str))}</code>"


def _takes(entry: Mapping[str, Any]) -> str:
    """In a few words: `number, at least 0`, `one of on, off`, `list of text`."""
    if "$ref" in entry:
        name = entry["$ref"].rpartition("/")[2]
        return (
            "a plugin by its name, with its options" if name == PluginSection.__name__ else f"[{name}](#{name.lower()})"
        )
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_takes(one) for one in entry["anyOf"] if one.get("type") != "null"))
    if "enum" in entry:
        return f"one of {', '.join(map(str, entry['enum']))}"
    if "const" in entry:
        return str(entry["const"])
    return _kind(entry) + _bounds(entry)


def _kind(entry: Mapping[str, Any]) -> str:
    kind = str(entry.get("type", ""))
    if kind == "array":
        return f"list of {_takes(entry['items'])}" if entry.get("items") else "list"
    if kind == "object" and isinstance(entry.get("additionalProperties"), Mapping):
        return f"by name: {_takes(entry['additionalProperties'])}"
    words = {
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
        "object": "mapping",
        "": "a name, a value or a mapping",
    }
    return words.get(kind, kind)


def _bounds(entry: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    return "".join(f", {word} {entry[key]:g}" for key, word in words.items() if abs(entry.get(key, 1e18)) < 1e18)


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "&#124;")


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
