"""Outputs of variants on a stream: what each would add to it in the place of the parent's sub-block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from blockwright.child.assembly import Variants, assemble
from blockwright.child.modeling_blockwright import FFN
from blockwright.models.stack import SEQUENCES_AT_ONCE, added_to
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.library import Library
    from blockwright.parent import Parent


class Replacements:
    """Runs any variant of the library in its place."""

    def __init__(self, parent: Parent, library: Library, variants: Variants) -> None:
        self.parent, self.library, self.variants = parent, library, variants

    def output(self, sub_block: SubBlock, spec: VariantSpec, stream: Tensor) -> Tensor:
        """What the variant adds to the stream (sequences, seq, hidden); zeros where it skips."""
        stack = assemble(self.parent, self.library, {sub_block: spec}, self.variants)
        layer = stack.layer(sub_block.layer)
        arguments = stack.attention_arguments(stream.shape[1])
        part = partial(layer.attend, **arguments) if sub_block.slot == "attention" else layer.feed
        added = added_to(stream, part)
        return torch.zeros_like(stream) if added is None else added

    def outputs(
        self, sub_block: SubBlock, specs: Sequence[VariantSpec], stream: Tensor
    ) -> Iterator[tuple[VariantSpec, Tensor]]:
        """`output` of each variant; those that only drop channels share the parent's features."""
        shared: Tensor | None = None
        for spec in specs:
            channels = self.library.channels(sub_block, spec)
            if channels is None:
                yield spec, self.output(sub_block, spec, stream)
                continue
            shared = self._parent_features(sub_block, stream) if shared is None else shared
            kept, own = channels
            narrowed = shared.index_select(-1, kept)
            yield spec, nn.functional.linear(narrowed, own["down_proj.weight"], own.get("down_proj.bias"))

    def _parent_features(self, sub_block: SubBlock, stream: Tensor) -> Tensor:
        """What the parent's down projection reads, (sequences, seq, width)."""
        layer = self.parent.stack().layer(sub_block.layer)
        with torch.no_grad():
            norm, ffn = layer.get_submodule("post_attention_layernorm"), layer.get_submodule("mlp")
            assert isinstance(ffn, FFN)
            return torch.cat([ffn.features(norm(part)) for part in stream.split(SEQUENCES_AT_ONCE)])
