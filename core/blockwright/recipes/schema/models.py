"""pydantic's models as JSON Schema, such that YAML keeps to it as a person writes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import models_json_schema

Node = dict[str, Any]  # JSON Schema, which nests to any depth

INTERPOLATION = r"\$\{.+\}"  # OmegaConf's, which may stand for any value
NUMBER = r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?$"  # 1e-4 is text to YAML 1.1, 100_000 to YAML 1.2
WRITTEN: Mapping[str, Node] = {
    "Interpolation": {"type": "string", "pattern": INTERPOLATION},
    "Number": {"type": "string", "pattern": f"{NUMBER}|{INTERPOLATION}"},
}
_ANOTHER_WAY = {"integer": "Number", "number": "Number", "boolean": "Interpolation"}
_BY_NAME = ("properties", "patternProperties", "$defs")  # where schemas stand in a schema
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_ALONE = ("items", "additionalProperties", "if", "then", "else", "not")
_TOLD = ("title", "description", "default", "examples")  # what says something to a person only
_REFERENCE = "#/$defs/"


class Models:
    """Schemas of models that share their definitions; of no two models that differ is the name the same."""

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        known = [model for model in dict.fromkeys(models) if _has_a_schema(model)]
        references, schema = models_json_schema([(model, "validation") for model in known])
        self.definitions: Node = schema["$defs"]
        self._references = {model: str(references[model, "validation"]["$ref"]) for model in known}

    def reference(self, model: type[BaseModel]) -> Node:
        """To a model's definition; any mapping where a stranger's options hold what JSON has no word for."""
        return {"$ref": self._references[model]} if model in self._references else {"type": "object"}

    def properties(self, model: type[BaseModel]) -> tuple[Mapping[str, Node], list[str]]:
        """A model's keys, and those of them that must be there."""
        node = self._node(model)
        return node.get("properties", {}), list(node.get("required", ()))

    def is_open(self, model: type[BaseModel]) -> bool:
        """Whether it takes keys of any name."""
        return model not in self._references or self._node(model).get("additionalProperties", True) is not False

    def replace(self, model: type[BaseModel], node: Node) -> None:
        """Another schema for a model that is written in other ways than its fields say."""
        if model in self._references:
            self.definitions[self._references[model].removeprefix(_REFERENCE)] = node

    def _node(self, model: type[BaseModel]) -> Node:
        if model not in self._references:
            return {}
        node: Node = self.definitions[self._references[model].removeprefix(_REFERENCE)]
        return node


def as_yaml_has_it(node: Node | bool) -> Node | bool:
    """All values in the ways that a person may write them: interpolated, as `1e-4`, as a bare `on` or `off`."""
    if isinstance(node, bool):
        return node
    words = [word for word in (node.get("enum") or [node.get("const")]) if word in ("on", "off")]
    if words:  # YAML 1.1 takes them for true and false
        return {"anyOf": [node, {"enum": [word == "on" for word in words]}]}
    if "enum" in node:
        return {"anyOf": [node, {"$ref": _REFERENCE + "Interpolation"}]}
    kind = node.get("type")
    if "const" in node or not isinstance(kind, str) or kind not in _ANOTHER_WAY:
        return _changed(node, as_yaml_has_it)
    told = {key: value for key, value in node.items() if key in _TOLD}
    bare = {key: value for key, value in node.items() if key not in _TOLD}
    return {**told, "anyOf": [bare, {"$ref": _REFERENCE + _ANOTHER_WAY[kind]}]}


def without_titles(node: Node | bool) -> Node | bool:
    """pydantic's titles say the key once more, and an editor shows them in place of what the docstring says."""
    if isinstance(node, bool):
        return node
    return _changed({key: value for key, value in node.items() if key != "title"}, without_titles)


def _changed(node: Node, change: Callable[[Node | bool], Node | bool]) -> Node:
    """A schema whose inner schemas are changed."""
    changed = dict(node)
    for key, value in node.items():
        if key in _BY_NAME:
            changed[key] = {name: change(one) for name, one in value.items()}
        elif key in _LISTED:
            changed[key] = [change(one) for one in value]
        elif key in _ALONE:
            changed[key] = change(value)
    return changed


def first_line(documented: object) -> str:
    """Of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def _has_a_schema(model: type[BaseModel]) -> bool:
    try:
        model.model_json_schema()
    except PydanticInvalidForJsonSchema:
        return False
    return True
