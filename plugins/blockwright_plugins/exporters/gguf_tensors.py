"""A child's weights as llama.cpp's `deci` has them: names, order of rows, and stand-ins for parts that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blockwright.exporters import ChildLayer
from blockwright.exporting.layers import layers_of

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.stack import LayerStack

ZERO_WIDTH = 32  # of an FFN that adds nothing
ZERO = "zero"  # the kind of a part that adds nothing
NAMES: Mapping[str, str] = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.linear": "attn_output",  # one matrix over the normed stream is what this engine calls linear attention
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@dataclass(frozen=True)
class NamedTensor:
    """A tensor of the file: its name and shape (rows, columns), and how to get its values."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def served_layers(config: BlockwrightConfig) -> tuple[ChildLayer, ...]:
    """The layers that are written, under their own numbers in the child.

    Empty ones are left out: the engine crashes on a last one. A layer without FFN is passed over by the engine with its
    attention, and gets a zero FFN; the first one must have something in attention's place, and gets a zero matrix.
    """
    layers = [layer for layer in layers_of(config) if layer.attention or layer.ffn]
    if layers and layers[0].attention is None:
        layers[0] = replace(layers[0], attention=ZERO)
    return tuple(layer if layer.ffn else replace(layer, ffn=ZERO, width=ZERO_WIDTH) for layer in layers)


def head_counts(config: BlockwrightConfig) -> tuple[list[int], list[int]]:
    """Query heads (0: no attention) and KV heads (0 beside query heads: one matrix) of the layers that are written."""
    layers = served_layers(config)
    return [config.num_attention_heads if layer.attention else 0 for layer in layers], [one.kv_heads for one in layers]


def tensors(stack: LayerStack) -> Iterator[NamedTensor]:
    """All tensors in the file's order; nothing is read before it is asked for."""
    config = stack.config
    vocabulary = (config.vocab_size, config.hidden_size)
    yield _own(stack, "token_embd.weight", "model.embed_tokens.weight", vocabulary)
    if config.rope_parameters.get("rope_type") == "llama3":
        yield NamedTensor("rope_freqs.weight", (config.head_dim // 2,), lambda: rope_factors(config))
    for place, layer in enumerate(served_layers(config)):
        yield from _layer(stack, layer, f"blk.{place}.")
    yield _own(stack, "output_norm.weight", "model.norm.weight", (config.hidden_size,))
    if not config.tie_word_embeddings:
        yield _own(stack, "output.weight", "lm_head.weight", vocabulary)


def _layer(stack: LayerStack, layer: ChildLayer, prefix: str) -> Iterator[NamedTensor]:
    """The child's own weights of a layer, then those of its zero parts."""
    import torch

    from blockwright.child.modeling_blockwright import DecoderLayer

    with torch.device("meta"):
        own = DecoderLayer(stack.config, layer.index).state_dict()
    for name, tensor in own.items():
        module, _, kind = name.rpartition(".")
        source = f"model.layers.{layer.index}.{name}"
        heads = _rotated_heads(module, layer, stack.config)
        yield _own(stack, f"{prefix}{NAMES[module]}.{kind}", source, tuple(tensor.shape), heads)
    yield from _zero_parts(layer, prefix, stack.config.hidden_size)


def _zero_parts(layer: ChildLayer, prefix: str, hidden: int) -> Iterator[NamedTensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    if layer.attention == ZERO:
        shapes |= {"attn_norm": (hidden,), "attn_output": (hidden, hidden)}
    if layer.ffn == ZERO:
        wide, narrow = (layer.width, hidden), (hidden, layer.width)
        shapes |= {"ffn_norm": (hidden,), "ffn_gate": wide, "ffn_up": wide, "ffn_down": narrow}
    for name, shape in shapes.items():
        yield NamedTensor(f"{prefix}{name}.weight", shape, _constant(shape, 1.0 if name.endswith("norm") else 0.0))


def _constant(shape: tuple[int, ...], value: float) -> Callable[[], Tensor]:
    def make() -> Tensor:
        import torch

        return torch.full(shape, value)

    return make


def _own(
    stack: LayerStack, name: str, source: str, shape: tuple[int, ...], rotated_heads: int | None = None
) -> NamedTensor:
    if rotated_heads is None:
        return NamedTensor(name, shape, lambda: stack.read(source))
    return NamedTensor(name, shape, lambda: in_pairs(stack.read(source), rotated_heads))


def _rotated_heads(module: str, layer: ChildLayer, config: BlockwrightConfig) -> int | None:
    """How many heads' rows are rotated by position; None for a matrix that is not."""
    heads: Mapping[str, int] = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": layer.kv_heads}
    return heads.get(module)


def in_pairs(rows: Tensor, heads: int) -> Tensor:
    """Rows of queries or keys: HF rotates row i with row i + head_dim / 2, llama.cpp row 2i with row 2i + 1."""
    head_dim = rows.shape[0] // heads
    return rows.reshape(heads, 2, head_dim // 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def rope_factors(config: BlockwrightConfig) -> Tensor:
    """What llama3's scaling divides each frequency by, (head_dim / 2)."""
    import torch

    from blockwright.child.modeling_blockwright import RotaryEmbedding

    plain, _ = RotaryEmbedding.compute_default_rope_parameters(config)
    factors: Tensor = plain / RotaryEmbedding(config).inv_freq
    return factors.to(torch.float32)
