"""Reasons that several targets share for not taking a model, worded for the person who asked for the export."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from blockwright.exporters import ChildLayer
from blockwright.exporting.layers import layers_of

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

LLAMA_ROPE_TYPES = ("default", "linear", "llama3", "yarn")


def beyond_llama(
    config: BlockwrightConfig, engine: str, rope_types: Collection[str] = LLAMA_ROPE_TYPES
) -> Iterator[str]:
    """What a model that runs as a Llama with its own layers cannot have."""
    if config.qk_norm:
        yield f"its queries and keys are normed head by head (qk_norm), which {engine} cannot do in such a model"
    if config.hidden_act not in ("silu", "swish"):
        yield f"its FFNs use {config.hidden_act}; {engine} runs such models with silu alone"
    if config.attention_output_bias and not config.attention_bias:
        yield f"only its output projections have biases, which {engine} has no setting for"
    rope_type = config.rope_parameters.get("rope_type", "default")
    if rope_type not in rope_types:
        yield f"its positions are of type '{rope_type}', which {engine} computes otherwise"
    if getattr(config, "parallel_windows", None):
        yield f"some of its layers run in parallel, which {engine} cannot do"


def no_attention_at_all(config: BlockwrightConfig, engine: str) -> Iterator[str]:
    """A cache without a single layer."""
    if not any(layer.attention == "standard" for layer in layers_of(config)):
        yield f"no layer has attention; {engine} needs one at least"


def unknown_parts(
    layer: ChildLayer, engine: str, attention: Collection[str] = ("standard",), ffn: Collection[str] = ("standard",)
) -> Iterator[str]:
    """Kinds of sub-block that an engine does not know."""
    if layer.attention is not None and layer.attention not in attention:
        yield f"{engine} knows no '{layer.attention}' attention"
    if layer.ffn is not None and layer.ffn not in ffn:
        yield f"{engine} knows no '{layer.ffn}' FFN"


def short_windows(layer: ChildLayer, config: BlockwrightConfig, engine: str) -> Iterator[str]:
    """A window as long as the context changes nothing."""
    if layer.window is not None and layer.window < config.max_position_embeddings:
        yield f"its attention sees a window of {layer.window} tokens only, which {engine} would not keep to"
