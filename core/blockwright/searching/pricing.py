"""Prices of a whole search space: every variant in every scenario, what no variant changes, the parent's totals.

Resources are named as limits are: `params`, `memory`, `decode_ms`; those of a named scenario begin with its name, as
`chat.decode_ms` does.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from blockwright.costs import BlockCost, CostModel, Scenario, TableExceeded
from blockwright.costs.parts import PlacedVariant
from blockwright.graph.building import Outline, graph_of
from blockwright.soundness import refuse_costs
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.child.assembly import Variants
    from blockwright.parent import Parent

Space = Mapping[SubBlock, Sequence[VariantSpec]]
Resources = Mapping[str, float]
Scenarios = Mapping[str, Scenario]
MAIN = "scenario"  # the name of the recipe's own scenario, whose resources carry no prefix


@dataclass(frozen=True)
class ScenarioPrices:
    """Costs in one scenario; `blocks` by sub-block and variant label, `fixed` for embedding, final norm and head."""

    scenario: Scenario
    blocks: Mapping[str, Mapping[str, BlockCost]]
    fixed: BlockCost

    def to_dict(self) -> dict[str, object]:
        blocks = {name: {label: asdict(cost) for label, cost in costs.items()} for name, costs in self.blocks.items()}
        return {"scenario": self.scenario.model_dump(), "blocks": blocks, "fixed": asdict(self.fixed)}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> ScenarioPrices:
        """The inverse of `to_dict`."""
        blocks, fixed = data["blocks"], data["fixed"]
        assert isinstance(blocks, dict) and isinstance(fixed, dict)
        priced = {name: {label: BlockCost(**cost) for label, cost in costs.items()} for name, costs in blocks.items()}
        return cls(Scenario.model_validate(data["scenario"]), priced, BlockCost(**fixed))


@dataclass(frozen=True)
class Prices:
    """Costs in all scenarios, the parent's totals, and what the machine's memory can hold of each GPU's share.

    `join_savings` is what a join of two FFNs saves at least, where the search may join them.
    """

    scenarios: Mapping[str, ScenarioPrices]
    parent: Resources
    usable_bytes: float | None = None
    notes: tuple[str, ...] = ()
    """What the cost model had to guess, in words."""
    join_savings: Resources = field(default_factory=dict)

    @property
    def main(self) -> ScenarioPrices:
        """In the recipe's own scenario."""
        return self.scenarios[MAIN]

    def resources(self) -> dict[str, dict[str, Resources]]:
        """What each variant takes, by sub-block and label."""
        return {
            sub_block: {
                label: resources_in(
                    {name: (priced.blocks[sub_block][label], priced.scenario) for name, priced in self.all}
                )
                for label in variants
            }
            for sub_block, variants in self.main.blocks.items()
        }

    def within(self, variants: Mapping[str, Collection[str]]) -> Prices:
        """Of these variants alone, by sub-block."""

        def of(priced: ScenarioPrices) -> ScenarioPrices:
            blocks = {
                sub_block: {label: cost for label, cost in costs.items() if label in variants[sub_block]}
                for sub_block, costs in priced.blocks.items()
            }
            return replace(priced, blocks=blocks)

        return replace(self, scenarios={name: of(priced) for name, priced in self.scenarios.items()})

    @property
    def fixed_resources(self) -> Resources:
        return resources_in({name: (priced.fixed, priced.scenario) for name, priced in self.all})

    @property
    def all(self) -> Sequence[tuple[str, ScenarioPrices]]:
        return tuple(self.scenarios.items())

    @property
    def machine_limits(self) -> Resources:
        """The memory of the machine in every scenario, where it is known."""
        if self.usable_bytes is None:
            return {}
        return {_prefixed(name, "memory"): self.usable_bytes for name in self.scenarios}

    def to_dict(self) -> dict[str, object]:
        scenarios = {name: priced.to_dict() for name, priced in self.scenarios.items()}
        return {
            "scenarios": scenarios,
            "parent": dict(self.parent),
            "usable_bytes": self.usable_bytes,
            "notes": list(self.notes),
            **({"join_savings": dict(self.join_savings)} if self.join_savings else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Prices:
        """The inverse of `to_dict`."""
        scenarios, parent, usable, notes = (data[key] for key in ("scenarios", "parent", "usable_bytes", "notes"))
        assert isinstance(scenarios, dict) and isinstance(parent, dict) and isinstance(notes, list)
        assert usable is None or isinstance(usable, float)
        priced = {name: ScenarioPrices.from_dict(one) for name, one in scenarios.items()}
        savings = data.get("join_savings", {})
        assert isinstance(savings, dict)
        return cls(priced, parent, usable, tuple(map(str, notes)), savings)


def price(parent: Parent, space: Space, variants: Variants, cost_model: CostModel, scenarios: Scenarios) -> Prices:
    """Asks the cost model for every variant once; needs the parent's config and none of its weights."""
    graph = graph_of(Outline.of(parent), {}, variants)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableExceeded)  # they become notes
        priced = {
            name: ScenarioPrices(
                scenario, _blocks(scenario, parent, space, variants, cost_model), cost_model.fixed(graph, scenario)
            )
            for name, scenario in scenarios.items()
        }
        _refuse_what_is_no_number(priced, cost_model)
        totals = _parent_totals(parent, variants, cost_model, priced)
    usable = None if cost_model.hardware is None else cost_model.hardware.usable_bytes
    return Prices(priced, totals, usable, tuple(cost_model.guesses))


def _blocks(
    scenario: Scenario, parent: Parent, space: Space, variants: Variants, cost_model: CostModel
) -> Mapping[str, Mapping[str, BlockCost]]:
    costs: dict[VariantSpec, BlockCost] = {}
    for specs in space.values():
        for spec in specs:
            if spec not in costs:
                costs[spec] = cost_model.block(_placed(spec, parent, variants), scenario)
    return {str(sub_block): {spec.label: costs[spec] for spec in specs} for sub_block, specs in space.items()}


def _refuse_what_is_no_number(priced: Mapping[str, ScenarioPrices], cost_model: CostModel) -> None:
    for prices in priced.values():
        for sub_block, costs in prices.blocks.items():
            for label, cost in costs.items():
                refuse_costs(f"{sub_block} {label}", cost.resources(prices.scenario), cost_model.name)
        refuse_costs("embedding and head", prices.fixed.resources(prices.scenario), cost_model.name)


def _placed(spec: VariantSpec, parent: Parent, variants: Variants) -> PlacedVariant:
    return PlacedVariant.of(spec, parent.shape(spec.slot), variants)


def _parent_totals(
    parent: Parent, variants: Variants, cost_model: CostModel, priced: Mapping[str, ScenarioPrices]
) -> Resources:
    """Of the parent as it is, whether the space lets its sub-blocks be kept or not."""
    totals: dict[str, float] = {}
    for name, prices in priced.items():
        kept = {
            slot: cost_model.block(_placed(VariantSpec(slot, "keep"), parent, variants), prices.scenario)
            for slot in {sub_block.slot for sub_block in parent.sub_blocks()}
        }
        costs = [prices.fixed, *(kept[sub_block.slot] for sub_block in parent.sub_blocks())]
        for cost in costs:
            for resource, value in resources_in({name: (cost, prices.scenario)}).items():
                totals[resource] = totals.get(resource, 0.0) + value
    return totals


def resources_in(costs: Mapping[str, tuple[BlockCost, Scenario]]) -> dict[str, float]:
    """One mapping of resources in all scenarios; parameters are the same in each, and the main one's."""
    return {
        _prefixed(name, resource): value
        for name, (cost, scenario) in costs.items()
        for resource, value in cost.resources(scenario).items()
        if name == MAIN or resource != "params"
    }


def _prefixed(scenario: str, resource: str) -> str:
    return resource if scenario == MAIN else f"{scenario}.{resource}"


def least_resources(prices: Prices) -> dict[str, float]:
    """The least that any child of the space takes of each resource, each alone."""
    blocks = prices.resources()
    return {
        name: fixed + sum(min(costs[name] for costs in variants.values()) for variants in blocks.values())
        for name, fixed in prices.fixed_resources.items()
    }
