"""Llama 1 to 3 and what copies them (SmolLM2 among others)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockwright_plugins.families.dense_decoder import DenseDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Llama(DenseDecoder):
    """One switch sets the biases of all four attention projections, another those of the FFN."""

    model_type = "llama"

    def own_settings(self, config: PreTrainedConfig) -> dict[str, object]:
        return {
            "attention_bias": config.attention_bias,
            "attention_output_bias": config.attention_bias,
            "mlp_bias": config.mlp_bias,
        }
