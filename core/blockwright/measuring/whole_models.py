"""How well summed parts predict whole models: the parent and children of it, measured on this machine."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.costs import CostModel, Scenario, Work
from blockwright.costs.parts import PlacedVariant
from blockwright.costs.scenario import Phase
from blockwright.graph.block_graph import BlockGraph
from blockwright.graph.building import Outline, graph_of
from blockwright.measuring.parts import step_job, whole_model
from blockwright.measuring.timers import Timer
from blockwright.plugins import installed_plugins
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.parent import Parent
    from blockwright.searching.pricing import Space

Assignment = Mapping[SubBlock, VariantSpec]


@dataclass(frozen=True)
class Target:
    """What to measure for: a parent, the space of its children, and how they will be used."""

    parent: Parent
    space: Space
    scenarios: tuple[Scenario, ...]


@dataclass(frozen=True)
class Checked:
    """One model in one phase: milliseconds as a cost model predicted them and as they were measured."""

    model: str
    phase: Phase
    cost_model: str
    predicted_ms: float
    measured_ms: float
    batch: int = 1

    @property
    def error(self) -> float:
        """Signed, as a share of the measured time."""
        return self.predicted_ms / self.measured_ms - 1


def check_whole_models(
    target: Target, cost_models: Sequence[CostModel], scenario: Scenario, timer: Timer, seconds: float
) -> tuple[Checked, ...]:
    """The parent, three mixed children of the space, and what the cost models say of them, in both phases."""
    outline, variants = Outline.of(target.parent), installed_plugins().variants
    children = {"parent": {}, **mixed_children(target.space)}
    graphs = {name: graph_of(outline, child, variants) for name, child in children.items()}
    measured = {work.phase: _measured(target.parent, graphs, work, timer, seconds / 2) for work in _works(scenario)}
    costs = {
        (model.name, name): model.model(graph, scenario) for model in cost_models for name, graph in graphs.items()
    }
    return tuple(
        Checked(name, phase, model, cost.prefill_ms if phase == "prefill" else cost.decode_ms, times[name])
        for phase, times in measured.items()
        for (model, name), cost in costs.items()
    )


def _works(scenario: Scenario) -> tuple[Work, Work]:
    return scenario.prefill, scenario.decode


def _measured(
    parent: Parent, graphs: Mapping[str, BlockGraph], work: Work, timer: Timer, seconds: float
) -> Mapping[str, float]:
    device = timer.device
    models = {name: layers_of(graph, parent.layers) for name, graph in graphs.items()}
    jobs = {name: step_job(whole_model(parent.config, layers, device), work, device) for name, layers in models.items()}
    return timer.measure(jobs, seconds)


def mixed_children(space: Space) -> dict[str, Assignment]:
    """Three that differ: all variants at random, the middle ones in the first half, the last ones in every other layer.

    The first layer keeps its attention, as serving engines want it.
    """
    draw, last = random.Random(0), max(sub_block.layer for sub_block in space)
    free = {one: specs for one, specs in space.items() if one != SubBlock(0, "attention")}
    return {
        "drawn at random": {one: draw.choice(list(specs)) for one, specs in free.items()},
        "first half small": {one: specs[len(specs) // 2] for one, specs in free.items() if one.layer <= last // 2},
        "every other layer small": {one: specs[-1] for one, specs in free.items() if one.layer % 2},
    }


def layers_of(graph: BlockGraph, layers: int) -> list[list[PlacedVariant]]:
    """The variants of each layer, in the order that data takes; none in a layer that is empty."""
    from blockwright.costs.cost_model import part_of

    found: list[list[PlacedVariant]] = [[] for _ in range(layers)]
    for node in graph.sub_blocks:
        part = part_of(node)
        assert isinstance(part, PlacedVariant) and node.layer is not None
        found[node.layer].append(part)
    return found


def speed_up_errors(checked: Sequence[Checked]) -> tuple[float, ...]:
    """Of each child against the parent: the predicted over the measured speed-up, less one."""
    parents = {(one.phase, one.batch, one.cost_model): one.error for one in checked if one.model == "parent"}
    children = [one for one in checked if one.model != "parent"]
    return tuple((1 + parents[one.phase, one.batch, one.cost_model]) / (1 + one.error) - 1 for one in children)
