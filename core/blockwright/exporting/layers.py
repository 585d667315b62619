"""A child's layers as an exporter sees them, read from its config or from one variant of a search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from blockwright.exporters import ChildLayer

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.spaces.space import Variants
    from blockwright.variants import SubBlock, SubBlockShape, VariantSpec

Override = Mapping[str, object]  # one layer's entry in `per_layer_config`


def layers_of(config: BlockwrightConfig) -> tuple[ChildLayer, ...]:
    """All layers of a child, or of a parent, in order."""
    return tuple(_layer(index, vars(config.layer(index))) for index in range(config.num_hidden_layers))


def layer_with(
    config: BlockwrightConfig, sub_block: SubBlock, spec: VariantSpec, shape: SubBlockShape, variants: Variants
) -> ChildLayer:
    """The parent's layer with one sub-block replaced."""
    override: Override = variants[(spec.slot, spec.kind)].layer_config(spec, shape)
    return _layer(sub_block.layer, {**vars(config.layer(sub_block.layer)), **override})


def _layer(index: int, values: Override) -> ChildLayer:
    skipped = values.get("skip") or ()
    assert isinstance(skipped, list | tuple)
    attention = None if "attention" in skipped else str(values["attention_kind"])
    ffn = None if "mlp" in skipped else str(values["mlp_kind"])
    window = values.get("sliding_window") if attention == "standard" else None
    return ChildLayer(
        index,
        attention,
        int(str(values["num_key_value_heads"])) if attention == "standard" else 0,
        int(str(window)) if window is not None else None,
        ffn,
        int(str(values["intermediate_size"])) if ffn == "standard" else 0,
    )
