"""`weights`: what can be counted without any hardware: parameters, weight bytes and KV-cache bytes."""

from __future__ import annotations

from blockwright.costs import BYTES, BlockCost, CostModel, Scenario
from blockwright.plugins import hookimpl
from blockwright.variants import BlockVariant, SubBlockShape, VariantSpec


class WeightCosts(CostModel):
    """Counts; exact for every variant that counts its own parameters and KV values rightly."""

    name = "weights"

    def block(self, variant: BlockVariant, spec: VariantSpec, shape: SubBlockShape, scenario: Scenario) -> BlockCost:
        parameters = variant.parameters(spec, shape)
        return BlockCost(
            parameters=parameters,
            weight_bytes=float(parameters * BYTES[scenario.weights]),
            kv_bytes_per_token=float(variant.kv_values_per_token(spec, shape) * BYTES[scenario.kv]),
        )


@hookimpl
def register_cost_models() -> list[type[CostModel]]:
    return [WeightCosts]
