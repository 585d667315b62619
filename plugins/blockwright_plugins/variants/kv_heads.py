"""`kv_heads`: attention with fewer KV heads, merged from the parent's, with the output projection refitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import field_validator

from blockwright.costs.parts import attention_operations
from blockwright.variants import BlockVariant, SubBlockShape, VariantError, VariantOptions, VariantSpec, Weights
from blockwright_plugins.variants.counting import attention_parameters, share_of

if TYPE_CHECKING:
    from blockwright.construction import LibrarySettings, SubBlockContext
    from blockwright.costs import Work
    from blockwright.hardware.operations import Operation


class KVHeadsOptions(VariantOptions):
    """`heads`: KV heads to keep, a number or a share of the parent's (`50%`)."""

    heads: int | str

    @field_validator("heads")
    @classmethod
    def _is_positive(cls, heads: int | str) -> int | str:
        share_of(heads, 100) if isinstance(heads, str) else None
        if isinstance(heads, int) and heads < 1:
            raise ValueError("there is at least 1 KV head; write `skip` for no attention")
        return heads


class KVHeads(BlockVariant):
    """Grouped-query attention with larger groups: K and V heads merged, all query heads kept."""

    slot = "attention"
    kind = "kv_heads"
    Options = KVHeadsOptions
    main_option = "heads"
    contract_options = ({"heads": 1}, {"heads": "50%"})
    reads_inputs = True

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        assert isinstance(options, KVHeadsOptions)
        heads = options.heads
        if isinstance(heads, str):
            heads = _nearest_divisor(share_of(heads, shape.kv_heads), shape.kv_heads)
        if heads > shape.kv_heads or shape.kv_heads % heads:
            fitting = ", ".join(str(divisor) for divisor in _divisors(shape.kv_heads))
            raise VariantError(f"{heads} KV heads do not divide the parent's {shape.kv_heads}; it can take {fitting}")
        if heads == shape.kv_heads:
            return VariantSpec("attention", "keep")
        return VariantSpec("attention", "kv_heads", (("heads", heads),))

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return attention_parameters(shape, _heads(spec))

    def kv_values_per_token(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return 2 * _heads(spec) * shape.head_dim

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        return attention_operations(shape, _heads(spec), work)

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {"num_key_value_heads": _heads(spec)}

    def solving_operations(
        self, specs: Sequence[VariantSpec], shape: SubBlockShape, settings: LibrarySettings
    ) -> float:
        """A ridge regression of the output projection for each number of heads."""
        width = shape.attention_heads * shape.head_dim
        return len(specs) * width**2 * (width / 3 + 2 * shape.hidden_size)

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        from blockwright_plugins.variants.kv_merging import merged_and_refitted

        return {spec: merged_and_refitted(_heads(spec), context) for spec in specs}


def _heads(spec: VariantSpec) -> int:
    return int(spec.option("heads"))


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def _nearest_divisor(wanted: int, number: int) -> int:
    return min(_divisors(number), key=lambda divisor: (abs(divisor - wanted), divisor))
