"""The recipe's `space`: a name, a file, or the space itself with the variants that are installed."""

from __future__ import annotations

from collections.abc import Mapping

from blockwright.recipes.schema.models import Models, Node, first_line
from blockwright.recipes.schema.sections import name_or_file, one_key, options_of
from blockwright.spaces.space import Variants
from blockwright.variants import SLOTS, BlockVariant, Slot

_LAYER = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\s*(first|last|-?\d+(\s*-\s*-?\d+)?)\s*$"}]}
_LAYERS = {"anyOf": [*_LAYER["anyOf"], {"type": "array", "items": _LAYER, "minItems": 1}]}


def space_node(names: Mapping[str, object], variants: Variants, models: Models) -> Node:
    """`puzzle`, `spaces/mine.yaml`, or `{attention: [skip], ffn: [{narrow: 50%}]}`."""
    lists: dict[str, Node] = {slot: _list_of(_entries(slot, variants, models)) for slot in SLOTS}
    both = {"anyOf": [one for slot in SLOTS for one in _entries(slot, variants, models)["anyOf"]]}
    forbidden = {"anyOf": [{"type": "string"}, {"type": "array", "items": both}]}
    rule = _closed({"layers": _LAYERS, **lists, "forbid": forbidden}, ["layers"])
    words = {"name": {"type": "string"}, "description": {"type": "string"}}
    space = _closed({**words, **lists, "variants": _closed(lists), "except": _list_of(rule)})
    return {"anyOf": [name_or_file(names, "a search space"), space]}


def _entries(slot: Slot, variants: Variants, models: Models) -> Node:
    """`skip`, `{narrow: 50%}` or `{sliding: {window: 512}}`."""
    kinds = {kind: variant for (of_slot, kind), variant in variants.items() if of_slot == slot}
    told = "\n".join(f"{kind}: {first_line(type(variant))}" for kind, variant in kinds.items())
    bare = [kind for kind, variant in kinds.items() if not models.properties(options_of(type(variant)))[1]]
    with_options = {kind: _options(variant, models) for kind, variant in kinds.items()}
    return {"anyOf": [{"enum": bare, "description": told}, one_key(with_options)]}


def _options(variant: BlockVariant, models: Models) -> Node:
    by_name = models.reference(options_of(type(variant)))
    properties, _ = models.properties(options_of(type(variant)))
    main = [node for option, node in properties.items() if option == variant.main_option]
    return {"anyOf": [*main, by_name], "description": first_line(type(variant))}


def _list_of(node: Node) -> Node:
    return {"anyOf": [{"type": "array", "items": node}, {"type": "null"}]}


def _closed(properties: Mapping[str, Node], required: list[str] | None = None) -> Node:
    found: Node = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**found, "required": required} if required else found
