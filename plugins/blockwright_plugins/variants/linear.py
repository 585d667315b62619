"""`linear`: one matrix in place of the sub-block, by ridge regression on the parent's activations (Puzzle, 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from blockwright.variants import BlockVariant, SubBlockShape, VariantOptions, VariantSpec, Weights

if TYPE_CHECKING:
    from blockwright.construction import LibrarySettings, SubBlockContext


class _Linear(BlockVariant):
    kind = "linear"
    config_name = ""

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return VariantSpec(self.slot, "linear")

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return shape.hidden_size * shape.hidden_size + shape.hidden_size

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {self.config_name: "linear"}

    def solving_operations(
        self, specs: Sequence[VariantSpec], shape: SubBlockShape, settings: LibrarySettings
    ) -> float:
        """One Cholesky factor and two triangular solves."""
        return shape.hidden_size**3 * (1 / 3 + 2)

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        """The d × d map from the normed input to the parent's output, of least squared error."""
        from blockwright.building.regression import ridge

        moments = context.statistics.input_to_output
        matrix = ridge(moments.inputs, moments.cross, context.settings.ridge)
        return {spec: {"linear.weight": matrix.T.float()} for spec in specs}


class LinearAttentionMap(_Linear):
    """A linear map in place of attention: each token sees only itself, no KV cache."""

    slot = "attention"
    config_name = "attention_kind"


class LinearFFN(_Linear):
    """A linear map in place of the FFN."""

    slot = "ffn"
    config_name = "mlp_kind"
