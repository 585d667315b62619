"""What the engines that a recipe exports to mean for its search space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.exporters import ChildLayer, Exporter
from blockwright.exporting.layers import layer_with, layers_of
from blockwright.recipes.mistakes import Mistake
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.parent import Parent
    from blockwright.spaces.space import Variants

Space = Mapping[SubBlock, Sequence[VariantSpec]]
LeftOut = Mapping[tuple[str, str], Sequence[tuple[SubBlock, VariantSpec]]]  # by exporter and reason


@dataclass(frozen=True)
class TargetedSpace:
    """The space without what the targets cannot run; why, in a line for each target and reason; and mistakes.

    A target that cannot run the parent's own layers is a mistake of the recipe: every sub-block may stay as it is.
    """

    space: Space
    lines: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def space_for_targets(space: Space, exporters: Sequence[Exporter], parent: Parent, variants: Variants) -> TargetedSpace:
    """Asks each exporter about the parent and about the layer that each single replacement makes."""
    if not exporters:
        return TargetedSpace(space, (), ())
    mistakes = [
        Mistake(("exports", index, exporter.name), f"{reason}; no child of this parent can be written for it")
        for index, exporter in enumerate(exporters)
        for reason in refusals(exporter, parent.config)
    ]
    if mistakes:
        return TargetedSpace(space, (), tuple(mistakes))
    left_out: dict[tuple[str, str], list[tuple[SubBlock, VariantSpec]]] = {}
    kept = {}
    for sub_block, specs in space.items():
        unwanted = {spec: _objection(spec, sub_block, exporters, parent, variants) for spec in specs}
        kept[sub_block] = tuple(spec for spec, objection in unwanted.items() if objection is None)
        for spec, objection in unwanted.items():
            if objection is not None:
                left_out.setdefault(objection, []).append((sub_block, spec))
    return TargetedSpace(kept, tuple(_lines(left_out)), ())


def refusals(exporter: Exporter, config: BlockwrightConfig) -> list[str]:
    """All reasons why this very model cannot be written, those of its layers with their numbers."""
    reasons = list(exporter.refuses(config))
    by_reason: dict[str, list[int]] = {}
    for layer in layers_of(config):
        for reason in exporter.refuses_layer(layer, config):
            by_reason.setdefault(reason, []).append(layer.index)
    return reasons + [f"layer {', '.join(map(str, layers))}: {reason}" for reason, layers in by_reason.items()]


def _objection(
    spec: VariantSpec, sub_block: SubBlock, exporters: Iterable[Exporter], parent: Parent, variants: Variants
) -> tuple[str, str] | None:
    """The first exporter that does not want the variant there, and why; every sub-block may stay as it is."""
    if spec.kind == "keep":
        return None
    layer = layer_with(parent.config, sub_block, spec, parent.shape(sub_block.slot), variants)
    for exporter in exporters:
        for reason in _reasons(exporter, layer, parent.config):
            return exporter.name, reason
    return None


def _reasons(exporter: Exporter, layer: ChildLayer, config: BlockwrightConfig) -> Iterator[str]:
    yield from exporter.refuses_layer(layer, config)
    yield from exporter.avoids_layer(layer, config)


def _lines(left_out: LeftOut) -> Iterator[str]:
    for (exporter, reason), found in left_out.items():
        labels = ", ".join(dict.fromkeys(f"{spec.slot} {spec.label}" for _, spec in found))
        layers = sorted({sub_block.layer for sub_block, _ in found})
        where = f"layer {layers[0]}" if len(layers) == 1 else f"{len(layers)} layers"
        yield f"For {exporter} the search leaves out {labels} in {where}: {reason}"
