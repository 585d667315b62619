"""Sections that name plugins, each plugin with its own options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from blockwright.recipes.plugin_sections import NoOptions
from blockwright.recipes.schema.models import INTERPOLATION, Models, Node, first_line

Known = Mapping[str, type[object]]  # plugin classes of one kind, by name


def options_of(plugin: type[object]) -> type[BaseModel]:
    """The model of a plugin's section."""
    model: type[BaseModel] = getattr(plugin, "Options", NoOptions)
    return model


def named_plugin(known: Known, models: Models) -> Node:
    """`{name: highs, seconds: 5}`."""
    names = {"enum": list(known), "description": _told(known)}
    rules = [
        {"if": {"properties": {"name": {"const": name}}, "required": ["name"]}, "then": _with_name(plugin, models)}
        for name, plugin in known.items()
    ]
    return {"type": "object", "properties": {"name": names}, "required": ["name"], "allOf": rules}


def listed_plugins(known: Known, models: Models) -> Node:
    """`[refit, {distill: {epochs: 2}}]`."""
    return {"type": "array", "items": one_plugin(known, models)}


def one_plugin(known: Known, models: Models) -> Node:
    """`refit`, where all its options have defaults, or `{refit: {rounds: 2}}`."""
    bare = [name for name, plugin in known.items() if not models.properties(options_of(plugin))[1]]
    with_options = {
        name: {**_or_nothing(models.reference(options_of(plugin)), name in bare), "description": first_line(plugin)}
        for name, plugin in known.items()
    }
    return {"anyOf": [{"enum": bare, "description": _told(known)}, one_key(with_options)]}


def one_key(properties: Mapping[str, Node]) -> Node:
    """A mapping of one key, which is among these."""
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def name_or_file(names: Iterable[str], what: str) -> Node:
    """What ships by its name, or a path."""
    path = {"type": "string", "pattern": rf"[/.]|{INTERPOLATION}", "description": f"The file of {what}."}
    return {"anyOf": [{"enum": sorted(names), "description": f"The name of {what}."}, path]}


def _with_name(plugin: type[object], models: Models) -> Node:
    properties, required = models.properties(options_of(plugin))
    node: Node = {"description": first_line(plugin), "properties": {"name": True, **properties}, "required": required}
    return node if models.is_open(options_of(plugin)) else {**node, "additionalProperties": False}


def _or_nothing(node: Node, may_be_empty: bool) -> Node:
    return {"anyOf": [node, {"type": "null"}]} if may_be_empty else {"allOf": [node]}


def _told(known: Known) -> str:
    return "\n".join(f"{name}: {first_line(plugin)}" for name, plugin in known.items())
