"""The block graph of a parent or of a child: the layers in a row, skipped sub-blocks gone with their norms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from blockwright.graph.block_graph import BlockGraph, Node
from blockwright.variants import SLOTS, BlockVariant, Slot, SubBlock, SubBlockShape, VariantSpec

if TYPE_CHECKING:
    from blockwright.parent import Parent

Assignment = Mapping[SubBlock, VariantSpec]  # sub-blocks that are not in it are kept
Variants = Mapping[tuple[Slot, str], BlockVariant]  # by slot and kind


@dataclass(frozen=True)
class Outline:
    """A parent's sizes, as far as its graph shows them; `tied` when the head is the embedding's matrix."""

    shapes: Mapping[Slot, SubBlockShape]
    layers: int
    vocab_size: int
    tied: bool

    @classmethod
    def of(cls, parent: Parent) -> Outline:
        shapes = {slot: parent.shape(slot) for slot in SLOTS}
        return cls(shapes, parent.layers, int(parent.config.vocab_size), bool(parent.config.tie_word_embeddings))

    @property
    def hidden_size(self) -> int:
        return self.shapes["attention"].hidden_size


def graph_of(outline: Outline, assignment: Assignment, variants: Variants) -> BlockGraph:
    """The graph of the child that an assignment makes; of the parent itself for an empty one.

    ValueError for a sub-block that the parent does not have, or a kind that is not installed.
    """
    _check(outline, assignment, variants)
    hidden, vocabulary = outline.hidden_size, outline.vocab_size
    embedding = Node("embedding", "embedding", vocabulary, hidden, params=vocabulary * hidden)
    final_norm = Node("final_norm", "norm", hidden, hidden, params=hidden)
    head = Node("head", "head", hidden, vocabulary, params=0 if outline.tied else vocabulary * hidden)
    nodes = (embedding, *_layer_nodes(outline, assignment, variants), final_norm, head)
    names = [node.name for node in nodes]
    return BlockGraph(nodes, tuple(pairwise(names)))


def _layer_nodes(outline: Outline, assignment: Assignment, variants: Variants) -> Iterator[Node]:
    """Norm and sub-block in turn; the norm's weights are part of what a variant counts, and are counted apart here."""
    for layer in range(outline.layers):
        for slot in SLOTS:
            spec = assignment.get(SubBlock(layer, slot), VariantSpec(slot, "keep"))
            if spec.kind == "skip":
                continue
            variant, shape, hidden = variants[(slot, spec.kind)], outline.shapes[slot], outline.hidden_size
            params = variant.parameters(spec, shape)
            norm_params, cached = min(hidden, params), variant.kv_values_per_token(spec, shape)
            name = str(SubBlock(layer, slot))
            yield Node(f"{name}.norm", "norm", hidden, hidden, norm_params, layer=layer)
            yield Node(name, slot, hidden, hidden, params - norm_params, cached, layer, spec, shape)


def _check(outline: Outline, assignment: Assignment, variants: Variants) -> None:
    for sub_block, spec in assignment.items():
        if not 0 <= sub_block.layer < outline.layers:
            raise ValueError(f"{sub_block}: the parent has {outline.layers} layers, 0 to {outline.layers - 1}")
        if spec.slot != sub_block.slot:
            raise ValueError(f"{sub_block}: {spec.label} is a variant of {spec.slot}")
        if spec.kind != "skip" and (spec.slot, spec.kind) not in variants:
            raise ValueError(f"{sub_block}: no {spec.slot} variant is called '{spec.kind}'")
