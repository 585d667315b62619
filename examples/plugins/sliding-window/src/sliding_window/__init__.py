"""`sliding_window`: the parent's attention over the last `window` tokens, so that its KV cache stops growing."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

import blockwright
from blockwright.variants import BlockVariant, SubBlockShape, VariantOptions, VariantSpec, Weights

if TYPE_CHECKING:
    from blockwright.construction import SubBlockContext
    from blockwright.costs import Work
    from blockwright.hardware.operations import Operation


class SlidingWindowOptions(VariantOptions):
    """`window`: how many tokens each one sees, itself included."""

    window: int = Field(ge=2)


class SlidingWindow(BlockVariant):
    """All heads of the parent, each with a short memory (Longformer, 2004.05150, section 3.1, seen backwards)."""

    slot = "attention"
    kind = "sliding_window"
    Options = SlidingWindowOptions
    main_option = "window"
    contract_options = ({"window": 4}, {"window": 8})
    reads_inputs = True

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        assert isinstance(options, SlidingWindowOptions)
        return VariantSpec("attention", self.kind, (("window", options.window),))

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        """As many as the parent's."""
        from blockwright.plugins import installed_plugins

        return installed_plugins().variants["attention", "keep"].parameters(VariantSpec("attention", "keep"), shape)

    def kv_values_per_token(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return 2 * shape.kv_heads * shape.head_dim

    def cached_values(self, spec: VariantSpec, shape: SubBlockShape, tokens: int) -> int:
        """Those that the next token can see, which is itself one of its window."""
        return min(tokens, _window(spec) - 1) * self.kv_values_per_token(spec, shape)

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        from blockwright.costs.parts import attention_operations

        window = _window(spec)
        seen = dataclasses.replace(work, kv_tokens=min(work.kv_tokens, window))
        return (_banded(operation, window) for operation in attention_operations(shape, shape.kv_heads, seen))

    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        return {"sliding_window": _window(spec)}

    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        return {spec: _built(_window(spec), context) for spec in specs}


def _window(spec: VariantSpec) -> int:
    return int(spec.option("window"))


def _banded(operation: Operation, window: int) -> Operation:
    """A long prompt's attention as that of pieces of two windows: 2·(2w)²/2 products each, so 2w for each token."""
    from blockwright.hardware.operations import ContextAttention

    if not isinstance(operation, ContextAttention) or operation.tokens <= 2 * window:
        return operation
    pieces = -(-operation.tokens // (2 * window))
    return dataclasses.replace(operation, batch=operation.batch * pieces, tokens=2 * window)


def _built(window: int, context: SubBlockContext) -> Weights:
    """The parent's weights, with the output projection refitted to what heads see of a window."""
    import torch

    from blockwright.building.outputs import refitted_output
    from blockwright.child.modeling_blockwright import Attention

    config = copy.copy(context.stack.config.layer(context.sub_block.layer))
    config.sliding_window = window
    weights = {name: tensor.clone() for name, tensor in context.weights.items()}
    with torch.device("meta"):
        attention = Attention(config, context.sub_block.layer)
    attention.load_state_dict(weights, assign=True)
    attention.eval().requires_grad_(False)
    return {**weights, "o_proj.weight": refitted_output(attention, context, [window])}


@blockwright.hookimpl
def register_block_variants() -> list[type[BlockVariant]]:
    return [SlidingWindow]
