"""A child before it is written: the parent's config and weights with the chosen variants in their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.kinds import register_kinds
from blockwright.library import Library
from blockwright.models.stack import LayerStack
from blockwright.variants import MODULE_NAMES, BlockVariant, Slot, SubBlock, VariantSpec

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.parent import Parent

Assignment = Mapping[SubBlock, VariantSpec]
Variants = Mapping[tuple[Slot, str], BlockVariant]  # by slot and kind

_INSIDE_A_LAYER = re.compile(r"model\.layers\.(\d+)\.(\w+)\.(.+)")
_SLOT_OF: Mapping[str, Slot] = {module: slot for slot, module in MODULE_NAMES.items()}


def child_config(parent: Parent, assignment: Assignment, variants: Variants) -> BlockwrightConfig:
    """The child's config: the dense parent's with one override a replaced sub-block, in `per_layer_config`."""
    overrides: dict[int, dict[str, object]] = {}
    for sub_block, spec in sorted(parent.completed(assignment).items()):
        variant = variants[(spec.slot, spec.kind)]
        for key, value in variant.layer_config(spec, parent.shape(spec.slot)).items():
            layer = overrides.setdefault(sub_block.layer, {})
            layer[key] = [*layer.get("skip", []), *value] if key == "skip" else value  # type: ignore[misc]
    data = {key: value for key, value in parent.dense.config.to_dict().items() if key != "per_layer_config"}
    return BlockwrightConfig(**data, per_layer_config=overrides)


class ChildSource:
    """Weights of a child: the library's where another variant is chosen than stands there, the parent's elsewhere."""

    def __init__(self, library: Library, assignment: Assignment) -> None:
        self.library, self.assignment = library, assignment
        self._cached: tuple[SubBlock, dict[str, Tensor]] | None = None

    def names(self) -> Iterable[str]:
        for name in self.library.parent.names():
            if self._replaced(name) is None:
                yield name

    def read(self, name: str) -> Tensor:
        replaced = self._replaced(name)
        if replaced is None:
            return self.library.parent.read(name)
        sub_block, inside = replaced
        if self._cached is None or self._cached[0] != sub_block:
            self._cached = sub_block, self.library.weights(sub_block, self.assignment[sub_block])
        return self._cached[1][inside]

    def _replaced(self, name: str) -> tuple[SubBlock, str] | None:
        match = _INSIDE_A_LAYER.fullmatch(name)
        if match is None or match[2] not in _SLOT_OF:
            return None
        sub_block = SubBlock(int(match[1]), _SLOT_OF[match[2]])
        spec = self.assignment.get(sub_block)
        return None if spec is None else (sub_block, match[3])


def assemble(parent: Parent, library: Library, assignment: Assignment, variants: Variants) -> LayerStack:
    """The child as a stack that reads each layer from the library and the parent when it is asked for.

    `keep` is what stands in a sub-block's place.
    """
    register_kinds(variants.values())
    others = {
        sub_block: spec
        for sub_block, spec in assignment.items()
        if spec.kind != "keep" and spec != parent.present(sub_block)
    }
    return LayerStack(child_config(parent, assignment, variants), ChildSource(library, others))
