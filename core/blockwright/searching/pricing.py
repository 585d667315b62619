"""Prices of a whole search space: every variant, what is there whatever is chosen, and the parent's totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from blockwright.child.assembly import Variants
from blockwright.costs import BYTES, BlockCost, CostModel, Scenario
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.parent import Parent

Space = Mapping[SubBlock, Sequence[VariantSpec]]
Resources = Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """Costs in one scenario; `blocks` by sub-block and variant label, `fixed` for embedding, final norm and head."""

    scenario: Scenario
    blocks: Mapping[str, Mapping[str, BlockCost]]
    fixed: BlockCost
    parent: Resources

    def resources(self) -> dict[str, dict[str, Resources]]:
        """What each variant takes, by the names that budgets use."""
        return {
            sub_block: {label: cost.resources(self.scenario) for label, cost in variants.items()}
            for sub_block, variants in self.blocks.items()
        }

    @property
    def fixed_resources(self) -> Resources:
        return self.fixed.resources(self.scenario)

    def to_dict(self) -> dict[str, object]:
        return {
            "scenario": self.scenario.model_dump(),
            "blocks": {
                name: {label: asdict(cost) for label, cost in costs.items()} for name, costs in self.blocks.items()
            },
            "fixed": asdict(self.fixed),
            "parent": dict(self.parent),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Prices:
        """The inverse of `to_dict`."""
        blocks, fixed, parent = data["blocks"], data["fixed"], data["parent"]
        assert isinstance(blocks, dict) and isinstance(fixed, dict) and isinstance(parent, dict)
        return cls(
            Scenario.model_validate(data["scenario"]),
            {name: {label: BlockCost(**cost) for label, cost in costs.items()} for name, costs in blocks.items()},
            BlockCost(**fixed),
            parent,
        )


def price(parent: Parent, space: Space, variants: Variants, cost_model: CostModel, scenario: Scenario) -> Prices:
    """Asks the cost model for every variant once; needs the parent's config and none of its weights."""

    def cost(spec: VariantSpec) -> BlockCost:
        return cost_model.block(variants[(spec.slot, spec.kind)], spec, parent.shape(spec.slot), scenario)

    blocks = {str(sub_block): {spec.label: cost(spec) for spec in specs} for sub_block, specs in space.items()}
    fixed = fixed_cost(parent, scenario)
    kept = [cost(VariantSpec(sub_block.slot, "keep")).resources(scenario) for sub_block in parent.sub_blocks()]
    totals = {
        name: value + sum(resources[name] for resources in kept) for name, value in fixed.resources(scenario).items()
    }
    return Prices(scenario, blocks, fixed, totals)


def fixed_cost(parent: Parent, scenario: Scenario) -> BlockCost:
    """Embedding, final norm and head; a tied head is the embedding and counts once."""
    config = parent.config
    embeddings = 1 if config.tie_word_embeddings else 2
    parameters = int(config.vocab_size * config.hidden_size * embeddings + config.hidden_size)
    return BlockCost(parameters, float(parameters * BYTES[scenario.weights]), 0.0)


def least_resources(prices: Prices) -> dict[str, float]:
    """The least that any child of the space takes of each resource, each alone."""
    blocks = prices.resources()
    return {
        name: fixed + sum(min(costs[name] for costs in variants.values()) for variants in blocks.values())
        for name, fixed in prices.fixed_resources.items()
    }
