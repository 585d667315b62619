"""Outputs of variants on a stream: what each would add to it in the place of the parent's sub-block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from blockwright.assembly import Variants, assemble
from blockwright.variants import SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.library import Library
    from blockwright.parent import Parent


class Replacements:
    """Runs any variant of the library in its place."""

    def __init__(self, parent: Parent, library: Library, variants: Variants) -> None:
        self.parent, self.library, self.variants = parent, library, variants

    def output(self, sub_block: SubBlock, spec: VariantSpec, stream: Tensor, sequences_at_once: int = 8) -> Tensor:
        """What the variant adds to the stream (sequences, seq, hidden); zeros where it skips."""
        stack = assemble(self.parent, self.library, {sub_block: spec}, self.variants)
        layer = stack.layer(sub_block.layer)
        arguments = stack.attention_arguments(stream.shape[1])
        with torch.no_grad():
            parts = [
                layer.attend(part, **arguments) if sub_block.slot == "attention" else layer.feed(part)
                for part in stream.split(sequences_at_once)
            ]
        return torch.zeros_like(stream) if parts[0] is None else torch.cat(parts)
