"""Nemotron-NAS checkpoints (DeciLM): one `block_configs` entry a layer, HF Llama tensor names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.child.shared_settings import SHARED_SETTINGS
from blockwright.exporters import ChildLayer
from blockwright.exporting.layers import layers_of

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.sharding import DType, PlannedTensor

ARCHITECTURE, MODEL_TYPE, CONFIG_FILE = "DeciLMForCausalLM", "nemotron-nas", "configuration_decilm.py"
SAME_NAMES = (*SHARED_SETTINGS, "head_dim", "rope_parameters", "mlp_bias", "use_cache")


def served_layers(config: BlockwrightConfig) -> tuple[ChildLayer, ...]:
    """The child's layers, the first one that does anything with an attention: vLLM starts its stream there.

    Where the child has none in it, one KV head stands for an attention whose output is zero.
    """
    layers = layers_of(config)
    first = next(layer for layer in layers if layer.attention or layer.ffn)
    return tuple(
        replace(layer, attention="standard", kv_heads=1) if layer is first and not first.attention else layer
        for layer in layers
    )


def config_of(config: BlockwrightConfig, dtype: DType) -> dict[str, object]:
    """`config.json`; numbers of single layers stand in `block_configs` alone."""
    rope = dict(config.rope_parameters)
    scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
    return {
        **{name: getattr(config, name) for name in SAME_NAMES},
        "architectures": [ARCHITECTURE],
        "attention_bias": bool(config.attention_bias and config.attention_output_bias),
        "auto_map": {"AutoConfig": f"{CONFIG_FILE.removesuffix('.py')}.DeciLMConfig"},
        "block_configs": [block_config(layer, config) for layer in served_layers(config)],
        "dtype": dtype,
        "intermediate_size": None,
        "model_type": MODEL_TYPE,
        "num_key_value_heads": None,
        "rope_theta": rope["rope_theta"],
        "torch_dtype": dtype,
        **({"qkv_bias": True} if config.attention_bias else {}),
        **({"rope_scaling": scaling} if scaling.get("rope_type", "default") != "default" else {}),
    }


def block_config(layer: ChildLayer, config: BlockwrightConfig) -> dict[str, dict[str, object]]:
    """A part that is not there says so twice: `no_op`, and null for its number."""
    group = config.num_attention_heads // layer.kv_heads if layer.attention else None
    return {
        "attention": {"no_op": layer.attention is None, "n_heads_in_group": group, "replace_with_linear": False},
        "ffn": {"no_op": layer.ffn is None, "intermediate_size": layer.width or None, "replace_with_linear": False},
    }


def zero_attention(config: BlockwrightConfig) -> dict[str, Tensor]:
    """Weights of the attention that adds nothing, by name; empty where the child needs none."""
    import torch

    added = [
        one for one, own in zip(served_layers(config), layers_of(config), strict=True) if one.attention != own.attention
    ]
    found = {}
    for layer in added:
        prefix = f"model.layers.{layer.index}."
        found[f"{prefix}input_layernorm.weight"] = torch.ones(config.hidden_size)
        for name, shape in _attention_shapes(config).items():
            found[f"{prefix}self_attn.{name}"] = torch.zeros(shape)
    return found


def _attention_shapes(config: BlockwrightConfig) -> Mapping[str, tuple[int, ...]]:
    """Of one KV head, with the biases that all the child's attentions have."""
    hidden, queries, head = config.hidden_size, config.num_attention_heads * config.head_dim, config.head_dim
    shapes: dict[str, tuple[int, ...]] = {
        "q_proj.weight": (queries, hidden),
        "k_proj.weight": (head, hidden),
        "v_proj.weight": (head, hidden),
        "o_proj.weight": (hidden, queries),
    }
    if config.attention_bias:
        shapes |= {"q_proj.bias": (queries,), "k_proj.bias": (head,), "v_proj.bias": (head,)}
    if config.attention_output_bias:
        shapes |= {"o_proj.bias": (hidden,)}
    return shapes


def planned(config: BlockwrightConfig, added: Mapping[str, Tensor]) -> Iterator[PlannedTensor]:
    """The child's own tensors, then those that were added."""
    from blockwright.child.checkpoint import planned_tensors
    from blockwright.models.sharding import PlannedTensor

    yield from planned_tensors(config)
    for name, tensor in added.items():
        yield PlannedTensor(name, tuple(tensor.shape))


def write_config(directory: Path, data: Mapping[str, object]) -> None:
    """`config.json`, with the code of its class beside it."""
    (directory / "config.json").write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
    shutil.copyfile(Path(__file__).with_name(CONFIG_FILE), directory / CONFIG_FILE)
