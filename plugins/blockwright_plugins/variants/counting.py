"""Weights of a sub-block by its sizes, its own norm included."""

import re

from blockwright.variants import SubBlockShape


def attention_parameters(shape: SubBlockShape, kv_heads: int) -> int:
    """Query, key, value and output projections with their biases, QK norms and the norm before them."""
    query_width, kv_width = shape.attention_heads * shape.head_dim, kv_heads * shape.head_dim
    matrices = 2 * shape.hidden_size * (query_width + kv_width)
    biases = (query_width + 2 * kv_width) * shape.qkv_bias + shape.hidden_size * shape.output_bias
    return matrices + biases + 2 * shape.head_dim * shape.qk_norm + shape.hidden_size


def ffn_parameters(shape: SubBlockShape, width: int) -> int:
    """Gate, up and down projections with their biases and the norm before them."""
    biases = (2 * width + shape.hidden_size) * shape.ffn_bias
    return 3 * shape.hidden_size * width + biases + shape.hidden_size


def keep_parameters(shape: SubBlockShape) -> int:
    """The parent's own sub-block."""
    if shape.slot == "attention":
        return attention_parameters(shape, shape.kv_heads)
    return ffn_parameters(shape, shape.ffn_width)


def share_of(text: str, whole: int) -> int:
    """`50%` of `whole`, rounded, at least 1; ValueError when it is no percentage of 0 to 100."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError(f"'{text}' is no percentage; write one like 50%")
    return max(1, round(whole * float(match[1]) / 100))
