"""`keep`: the parent's own sub-block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from blockwright.costs.parts import attention_operations, ffn_operations
from blockwright.variants import BlockVariant, SubBlockShape, VariantOptions, VariantSpec, Weights
from blockwright_plugins.variants.counting import keep_parameters

if TYPE_CHECKING:
    from blockwright.construction import SubBlockContext
    from blockwright.costs import Work
    from blockwright.hardware.operations import Operation


class _Keep(BlockVariant):
    kind = "keep"

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return VariantSpec(self.slot, "keep")

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return keep_parameters(shape)

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {}

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        """Nothing to store: a kept sub-block is read from the parent."""
        return {spec: {} for spec in specs}


class KeepAttention(_Keep):
    """The parent's attention as it is."""

    slot = "attention"

    def kv_values_per_token(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return 2 * shape.kv_heads * shape.head_dim

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        return attention_operations(shape, shape.kv_heads, work)


class KeepFFN(_Keep):
    """The parent's FFN as it is."""

    slot = "ffn"

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        return ffn_operations(shape, shape.ffn_width, work)
