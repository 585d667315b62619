"""Qwen3, the dense ones: queries and keys normed head by head, an explicit head_dim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockwright_plugins.families.dense_decoder import DenseDecoder, windows_by_layer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Qwen3(DenseDecoder):
    """Biases, where they are switched on, are on all four projections."""

    model_type = "qwen3"

    def own_settings(self, config: PreTrainedConfig) -> dict[str, object]:
        biases = {"attention_bias": config.attention_bias, "attention_output_bias": config.attention_bias}
        return {"qk_norm": True, **biases, **windows_by_layer(config)}
