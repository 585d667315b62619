"""A child's strip from its config alone, so that the picture is of what the folder really holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockwright.exporters import ChildLayer
from blockwright.exporting.layers import layers_of
from blockwright.pictures.strip import Cell, Strip
from blockwright.variants import MODULE_NAMES, Slot, SubBlock

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


def strip_of_config(config: BlockwrightConfig) -> Strip:
    """Shares are of the parent's sub-block: that of the same config without per-layer settings."""
    parent = layers_of(parent_of(config))
    whole = {slot: _weights(parent_of(config), 0, slot) for slot in MODULE_NAMES}

    def row(slot: Slot) -> tuple[Cell, ...]:
        return tuple(_cell(config, layer, parent[layer.index], slot, whole[slot]) for layer in layers_of(config))

    windows = tuple(range(first, last + 1) for first, last in config.parallel_windows or ())
    return Strip(row("attention"), row("ffn"), parallel=windows)


def parameters(config: BlockwrightConfig) -> int:
    """Weights of the whole model; tied ones once."""
    from blockwright.child.checkpoint import planned_tensors

    return sum(tensor.size_bytes("float32") // 4 for tensor in planned_tensors(config))


def parent_of(config: BlockwrightConfig) -> BlockwrightConfig:
    """The same model with all layers alike."""
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    data = {key: value for key, value in config.to_dict().items() if key not in ("per_layer_config", "layer_types")}
    return BlockwrightConfig(**data)


def _cell(config: BlockwrightConfig, layer: ChildLayer, parent: ChildLayer, slot: Slot, whole: int) -> Cell:
    label = _attention_label(layer, parent) if slot == "attention" else _ffn_label(layer, parent)
    share = 1.0 if label == "keep" else _weights(config, layer.index, slot) / whole
    return Cell(SubBlock(layer.index, slot), label, share)


def _attention_label(layer: ChildLayer, parent: ChildLayer) -> str:
    if layer.attention != "standard":
        return layer.attention or "skip"
    return "keep" if layer.kv_heads == parent.kv_heads else f"kv_heads={layer.kv_heads}"


def _ffn_label(layer: ChildLayer, parent: ChildLayer) -> str:
    if layer.ffn != "standard":
        return layer.ffn or "skip"
    if layer.width == parent.width:
        return "keep"
    return f"{'narrow' if layer.width < parent.width else 'wide'}={layer.width}"


def _weights(config: BlockwrightConfig, index: int, slot: Slot) -> int:
    import torch

    from blockwright.child.modeling_blockwright import DecoderLayer

    with torch.device("meta"):
        module = getattr(DecoderLayer(config, index), MODULE_NAMES[slot])
    return 0 if module is None else sum(weight.numel() for weight in module.parameters())
