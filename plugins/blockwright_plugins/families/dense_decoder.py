"""What the dense decoder families share: pre-norm layers of rotary attention and a gated FFN."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from blockwright.child.shared_settings import SHARED_SETTINGS
from blockwright.errors import UserError
from blockwright.parent import ModelFamily

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ROPE_TYPES = ("default", "linear", "dynamic", "yarn", "longrope", "llama3")
SAME_NAMES = (*SHARED_SETTINGS, "intermediate_size", "num_key_value_heads", "attention_dropout", "use_cache")


class DenseDecoder(ModelFamily, ABC):
    """Maps the settings that all families have; a family adds its own biases, norms and windows."""

    def child_config(self, config: PreTrainedConfig) -> dict[str, object]:
        """Arguments of BlockwrightConfig; UserError with a line for each thing that the child cannot express."""
        refusals = [f"parent.model: {reason}" for reason in _refusals(config)]
        if refusals:
            raise UserError(*refusals)
        shared = {name: getattr(config, name) for name in SAME_NAMES}
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return (
            shared | {"head_dim": head_dim, "rope_parameters": dict(config.rope_parameters)} | self.own_settings(config)
        )

    @abstractmethod
    def own_settings(self, config: PreTrainedConfig) -> dict[str, object]:
        """What this family's config says in its own way."""


def windows_by_layer(config: PreTrainedConfig) -> dict[str, object]:
    """The sliding window of families in which some layers have it and others see everything."""
    kinds = list(config.layer_types)
    unknown = sorted(set(kinds) - {"full_attention", "sliding_attention"})
    if unknown:
        raise UserError(f"parent.model: layers of type {', '.join(unknown)} cannot be expressed in a child")
    if "sliding_attention" not in kinds:
        return {"sliding_window": None}
    return {"sliding_window": config.sliding_window, "layer_types": kinds}


def _refusals(config: PreTrainedConfig) -> Iterator[str]:
    if getattr(config, "quantization_config", None):
        yield "its weights are quantised; name the unquantised checkpoint, or a GGUF file with parent.gguf_file"
    if getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None):
        yield "it is a mixture of experts; Blockwright searches dense models"
    if config.is_heterogeneous:
        yield "its layers differ already (per_layer_config); name the dense model that it came from"
    yield from _rope_refusals(config)


def _rope_refusals(config: PreTrainedConfig) -> Iterator[str]:
    rope = config.rope_parameters
    rope_type = rope.get("rope_type")
    if rope_type not in ROPE_TYPES:
        yield f"rope type '{rope_type}' cannot be expressed in a child; these can: {', '.join(ROPE_TYPES)}"
    share = rope.get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None))
    if share not in (None, 1, 1.0):
        yield f"it rotates only {share} of each head (partial_rotary_factor); the child rotates whole heads"
