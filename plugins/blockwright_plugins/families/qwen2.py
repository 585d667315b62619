"""Qwen2 and Qwen2.5: biases on queries, keys and values; windows in the layers from `max_window_layers` on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockwright_plugins.families.dense_decoder import DenseDecoder, windows_by_layer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Qwen2(DenseDecoder):
    """The biases have no switch in the config: they are always there, and the output has none."""

    model_type = "qwen2"

    def own_settings(self, config: PreTrainedConfig) -> dict[str, object]:
        return {"attention_bias": True, **windows_by_layer(config)}
