"""The GGUF file: its keys, then its tensors, of which one is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright_plugins.exporters.gguf_tensors import NamedTensor, head_counts, served_layers, tensors

if TYPE_CHECKING:
    import gguf
    import numpy as np

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.stack import LayerStack
    from blockwright_plugins.exporters.gguf_tokenizer import GGUFTokenizer

ARCHITECTURE = "deci"
STORED = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}


def write_gguf(path: Path, stack: LayerStack, precision: str, tokenizer: GGUFTokenizer | None) -> list[str]:
    """Writes the whole file and tells what stands in it for parts that the child does not have."""
    from gguf import GGUFWriter

    with closing(GGUFWriter(path, ARCHITECTURE)) as writer:
        _add_sizes(writer, stack.config, precision)
        _add_positions(writer, stack.config)
        if tokenizer is None:
            writer.add_tokenizer_model("none")
        else:
            tokenizer.add_to(writer, stack.config.vocab_size)
        _write_tensors(writer, stack, precision)
    return list(_notes(stack.config))


def _add_sizes(writer: gguf.GGUFWriter, config: BlockwrightConfig, precision: str) -> None:
    from gguf import LlamaFileType

    heads, kv_heads = head_counts(config)
    writer.add_name("Blockwright child")
    writer.add_file_type(LlamaFileType[FILE_TYPES[precision]])
    writer.add_block_count(len(heads))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length([layer.width for layer in served_layers(config)])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _add_positions(writer: gguf.GGUFWriter, config: BlockwrightConfig) -> None:
    """llama3's scaling is a tensor of its own, `rope_freqs.weight`."""
    from gguf import RopeScalingType

    rope = config.rope_parameters
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope.get("rope_type") == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def _write_tensors(writer: gguf.GGUFWriter, stack: LayerStack, precision: str) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, quant_shape_to_byte_shape

    plan = [(tensor, GGMLQuantizationType[_stored(tensor, precision)]) for tensor in tensors(stack)]
    for tensor, kind in plan:
        stored_bytes = int(np.prod(quant_shape_to_byte_shape(tensor.shape, kind)))
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), stored_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor, kind in plan:
        writer.write_tensor_data(_values(tensor, kind))


def _stored(tensor: NamedTensor, precision: str) -> str:
    return STORED[precision] if len(tensor.shape) > 1 else "F32"


def _values(tensor: NamedTensor, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """As the file has them; UserError for numbers that float16 cannot hold."""
    import numpy as np
    from gguf import quants

    read = tensor.read().float().contiguous().numpy()
    if tuple(read.shape) != tensor.shape:
        raise ValueError(f"{tensor.name}: has shape {read.shape}, the child's config asks for {tensor.shape}")
    with np.errstate(over="ignore"):
        values: np.ndarray = quants.quantize(read, kind)
    if values.dtype == np.float16 and not np.isfinite(values).all():
        raise UserError(f"{tensor.name}: has values beyond float16; export it with `precision: bf16`")
    return values


def _notes(config: BlockwrightConfig) -> Iterator[str]:
    layers = served_layers(config)
    if len(layers) < config.num_hidden_layers:
        yield f"{config.num_hidden_layers - len(layers)} empty layers of the child are left out."
    without_ffn = sum(layer.ffn == "zero" for layer in layers)
    if without_ffn:
        yield f"llama.cpp passes over layers without FFN: {without_ffn} got one of width 32 that adds nothing."
    if layers[0].attention == "zero":
        yield "The child begins without attention: a matrix of zeros stands in its place."
