"""Published checkpoints with one `block_configs` entry a layer, as the config of a child.

Two dialects: Nemotron-NAS (`n_heads_in_group`, `ffn_mult`; model type `nemotron-nas`), and that of Puzzletron in
Model-Optimizer (`num_key_value_heads`, `intermediate_size`; the model type of the parent's family).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from blockwright.child.shared_settings import SHARED_SETTINGS
from blockwright.errors import UserError

Block = Mapping[str, Mapping[str, object]]  # "attention" and "ffn" of one layer
Config = Mapping[str, object]

FAMILIES = ("nemotron-nas", "llama", "mistral", "qwen2", "qwen3")
SAME_NAMES = (*SHARED_SETTINGS, "head_dim", "mlp_bias")
UNKNOWN_ATTENTIONS = ("mamba", "llama4", "num_sink_tokens", "window_length", "unshifted_sink")
MULTIPLE = 256  # that widths given as `ffn_mult` are rounded up to


def child_settings(config: Config) -> dict[str, object]:
    """Arguments of BlockwrightConfig; UserError with a line for each thing that a child cannot express.

    Sizes of the parent, where the checkpoint does not tell them, are those that most of its layers have.
    """
    blocks = _blocks(config)
    refusals = [*_refusals(config), *(line for index, block in enumerate(blocks) for line in _of_layer(index, block))]
    if refusals:
        raise UserError(*refusals)
    heads, widths = [_kv_heads(block, config) for block in blocks], [_width(block, config) for block in blocks]
    usual = {
        name: int(str(config.get(name) or _usual(numbers)))
        for name, numbers in (("num_key_value_heads", heads), ("intermediate_size", widths))
    }
    overrides = {
        index: _override(block, usual, kv_heads, width)
        for index, (block, kv_heads, width) in enumerate(zip(blocks, heads, widths, strict=True))
    }
    return {
        **{name: config[name] for name in SAME_NAMES if config.get(name) is not None},
        **usual,
        **_biases(config),
        "rope_parameters": rope_parameters(config),
        "per_layer_config": {index: override for index, override in overrides.items() if override},
    }


def width_of(ffn_mult: float, hidden_size: int) -> int:
    """The width that Nemotron-NAS means by a multiplier: two thirds of its share, rounded up to 256."""
    return -(-int(2 * ffn_mult * hidden_size / 3) // MULTIPLE) * MULTIPLE


def rope_parameters(config: Config) -> dict[str, object]:
    """Of newer configs as they are; of older ones put together from `rope_theta` and `rope_scaling`."""
    given = config.get("rope_parameters")
    if isinstance(given, Mapping):
        return dict(given)
    scaling = config.get("rope_scaling")
    found = dict(scaling) if isinstance(scaling, Mapping) else {"rope_type": "default"}
    found.setdefault("rope_type", found.pop("type", "default"))
    return {**found, "rope_theta": config.get("rope_theta", 10000.0)}


def _blocks(config: Config) -> Sequence[Block]:
    blocks = config.get("block_configs")
    if not isinstance(blocks, list) or not blocks:
        raise UserError("its config.json has no block_configs; a model whose layers are alike is a parent, not a child")
    if len(blocks) != config.get("num_hidden_layers"):
        raise UserError(f"block_configs: has {len(blocks)} entries for {config.get('num_hidden_layers')} layers")
    return blocks


def _refusals(config: Config) -> Iterator[str]:
    if config.get("model_type") not in FAMILIES:
        yield f"model_type: '{config.get('model_type')}' is none of {', '.join(FAMILIES)}"
    if config.get("quantization_config"):
        yield "quantization_config: its weights are quantised; name the unquantised checkpoint"
    if config.get("sliding_window") and config.get("use_sliding_window", config.get("model_type") == "mistral"):
        yield "sliding_window: windows of attention cannot be taken in"


def _of_layer(index: int, block: Block) -> Iterator[str]:
    """What Blockwright has no module for."""
    attention, ffn = block.get("attention", {}), block.get("ffn", {})
    if block.get("parallel_blocks"):
        yield f"block_configs.{index}.parallel_blocks: layers beside each other cannot be taken in"
    for key in UNKNOWN_ATTENTIONS:
        if attention.get(key):
            yield f"block_configs.{index}.attention.{key}: this kind of attention cannot be taken in"
    if ffn.get("moe"):
        yield f"block_configs.{index}.ffn.moe: experts cannot be taken in; Blockwright's layers are dense"
    for name, part in (("attention", attention), ("ffn", ffn)):
        if part.get("sparsify"):
            yield f"block_configs.{index}.{name}.sparsify: sparse weights cannot be taken in"


def _kv_heads(block: Block, config: Config) -> int | None:
    """None without attention of the standard kind."""
    attention = block["attention"]
    if attention.get("no_op") or attention.get("replace_with_linear"):
        return None
    if attention.get("num_key_value_heads") is not None:
        return int(str(attention["num_key_value_heads"]))
    return int(str(config["num_attention_heads"])) // int(str(attention["n_heads_in_group"]))


def _width(block: Block, config: Config) -> int | None:
    """None without a gated FFN."""
    ffn = block["ffn"]
    if ffn.get("no_op") or ffn.get("replace_with_linear"):
        return None
    if ffn.get("ffn_mult") is not None:
        return width_of(float(str(ffn["ffn_mult"])), int(str(config["hidden_size"])))
    return int(str(ffn["intermediate_size"]))


def _usual(numbers: Sequence[int | None]) -> int:
    """The most frequent; the larger of two that are as frequent."""
    counted = Counter(number for number in numbers if number is not None)
    return max(counted, key=lambda number: (counted[number], number), default=1)


def _override(block: Block, usual: Mapping[str, int], kv_heads: int | None, width: int | None) -> dict[str, object]:
    """What a layer has unlike the others, in the words of `per_layer_config`."""
    attention, ffn, found = block["attention"], block["ffn"], dict[str, object]()
    if attention.get("replace_with_linear"):
        found["attention_kind"] = "linear"
    if ffn.get("replace_with_linear"):
        found["mlp_kind"] = "linear"
    numbers = {"num_key_value_heads": kv_heads, "intermediate_size": width}
    found |= {name: number for name, number in numbers.items() if number not in (None, usual[name])}
    skipped = [name for name, part in (("attention", attention), ("mlp", ffn)) if part.get("no_op")]
    return {**found, "skip": skipped} if skipped else found


def _biases(config: Config) -> dict[str, bool]:
    """As the family has them: Qwen2 always on queries, keys and values; the others by switches."""
    if config["model_type"] == "qwen2":
        return {"attention_bias": True}
    everywhere = bool(config.get("attention_bias"))
    inputs = bool(config.get("qkv_bias", everywhere))
    return {
        "attention_bias": inputs,
        "attention_output_bias": everywhere,
        "qk_norm": config["model_type"] == "qwen3",
    }
