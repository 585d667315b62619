"""Mistral 7B and its successors of the same class: no biases, one sliding window for all layers or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockwright_plugins.families.dense_decoder import DenseDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class Mistral(DenseDecoder):
    """transformers' Mistral gives every layer the window, whatever `layer_types` says."""

    model_type = "mistral"

    def own_settings(self, config: PreTrainedConfig) -> dict[str, object]:
        return {"sliding_window": config.sliding_window}
