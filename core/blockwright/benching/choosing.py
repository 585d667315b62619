"""What of a model an engine is timed with: the parts that it can run, and the loads that scenarios ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.costs import Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.engines import Engine, Load
from blockwright.errors import UserError
from blockwright.exporting.architecture import parent_of
from blockwright.exporting.layers import layer_with
from blockwright.exporting.requests import make_exporter
from blockwright.importing.importing import assignment_of
from blockwright.parent import Parent
from blockwright.plugins import installed_plugins
from blockwright.variants import SLOTS, SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


def loads_of(scenarios: Sequence[Scenario], engine: Engine) -> list[Load]:
    """Scenarios of equal lengths share a load; UserError for a precision that is not the engine's."""
    batches: dict[tuple[int, int], list[int]] = {}
    for scenario in scenarios:
        if (scenario.weights, scenario.tensor_parallel) != (engine.precision, 1):
            raise UserError(
                f"scenario: {engine.name} is timed in {engine.precision} on one device here; "
                f"write scenario: {{weights: {engine.precision}}} without tensor_parallel, or take another --precision"
            )
        batches.setdefault((scenario.input_tokens, scenario.output_tokens), []).append(scenario.batch)
    return [Load(*lengths, tuple(sorted(set(found)))) for lengths, found in batches.items()]


def parts_of_child(config: BlockwrightConfig) -> list[PlacedVariant]:
    """The variants that a child's layers are of, and the parent's own."""
    parent = Parent(Path(), parent_of(config), config.model_type)
    specs = [*(VariantSpec(slot, "keep") for slot in SLOTS), *assignment_of(config).values()]
    known = installed_plugins().variants
    return [PlacedVariant.of(spec, parent.shape(spec.slot), known) for spec in dict.fromkeys(specs)]


def runnable(parts: Sequence[PlacedVariant], engine: Engine, config: BlockwrightConfig) -> list[PlacedVariant]:
    """Without those that the engine's exporter refuses in a layer behind the first."""
    if engine.exporter is None:
        return list(parts)
    exporter, known = make_exporter(engine.exporter, engine.precisions[engine.precision]), installed_plugins().variants

    def refused(part: PlacedVariant) -> bool:
        layer = layer_with(config, SubBlock(1, part.spec.slot), part.spec, part.shape, known)
        return any(True for _ in exporter.refuses_layer(layer, config))

    return [part for part in parts if not refused(part)]
