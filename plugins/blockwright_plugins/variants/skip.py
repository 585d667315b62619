"""`skip`: no sub-block at all; the residual stream passes unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from blockwright.variants import BlockVariant, SubBlockShape, VariantOptions, VariantSpec, Weights

if TYPE_CHECKING:
    from blockwright.construction import SubBlockContext


class _Skip(BlockVariant):
    kind = "skip"
    config_name = ""

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return VariantSpec(self.slot, "skip")

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return 0

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {"skip": [self.config_name]}

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        return {spec: {} for spec in specs}


class SkipAttention(_Skip):
    """No attention in this layer: no KV cache and no all-reduce for it."""

    slot = "attention"
    config_name = "attention"


class SkipFFN(_Skip):
    """No FFN in this layer."""

    slot = "ffn"
    config_name = "mlp"
