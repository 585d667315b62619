"""Small seeded children whose attentions and FFNs are partly gone, with the block graphs that describe them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from blockwright.graph.block_graph import BlockGraph
from blockwright.graph.building import Outline, graph_of
from blockwright.variants import SLOTS, Slot, SubBlock, SubBlockShape, VariantSpec

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.stack import LayerStack

VOCABULARY, HIDDEN, WIDTH, HEADS, KV_HEADS = 40, 16, 24, 4, 2
SKIPPED = {  # by name: the layers without attention, those without FFN, of eight
    "whole": ((), ()),
    "a run of FFNs": ((2, 3, 4, 5), ()),
    "runs with holes": ((1, 2, 4, 5, 6), (2, 6)),
    "hardly anything": ((0, 1, 2, 3, 5, 6, 7), (0, 1, 3, 4, 7)),
}
LAYERS = 8


class Weights:
    """A state dict in memory as a source of weights."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors

    def names(self) -> Iterable[str]:
        return self.tensors

    def read(self, name: str) -> Tensor:
        return self.tensors[name]


def small_child(name: str) -> tuple[LayerStack, BlockGraph]:
    """One of `SKIPPED`, with random weights large enough for its parts to matter."""
    import torch

    from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
    from blockwright.models.stack import LayerStack

    config = _config(*SKIPPED[name])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = BlockwrightForCausalLM(config).state_dict()
        noisy = {key: value + 0.2 * torch.randn_like(value) for key, value in state.items() if key != "lm_head.weight"}
    return LayerStack(config, Weights(noisy)), _graph(*SKIPPED[name])


def small_tokens() -> dict[str, Tensor]:
    """The sets that stages and transforms see, each (4, 8)."""
    import torch

    generator = torch.Generator().manual_seed(1)
    names = ("calibration", "scoring", "heldback")
    return {name: torch.randint(VOCABULARY, (4, 8), generator=generator) for name in names}


def _config(attentions: Iterable[int], ffns: Iterable[int]) -> BlockwrightConfig:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    skipped = {layer: [*["attention"] * (layer in attentions), *["mlp"] * (layer in ffns)] for layer in range(LAYERS)}
    return BlockwrightConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        tie_word_embeddings=True,
        mlp_bias=True,
        per_layer_config={layer: {"skip": parts} for layer, parts in skipped.items() if parts},
    )


def _graph(attentions: Iterable[int], ffns: Iterable[int]) -> BlockGraph:
    from blockwright.plugins import installed_plugins

    shapes = {
        slot: SubBlockShape(slot, HIDDEN, HEADS, KV_HEADS, HIDDEN // HEADS, WIDTH, ffn_bias=True) for slot in SLOTS
    }
    gone: list[tuple[Slot, Iterable[int]]] = [("attention", attentions), ("ffn", ffns)]
    assignment = {SubBlock(layer, slot): VariantSpec(slot, "skip") for slot, layers in gone for layer in layers}
    return graph_of(Outline(shapes, LAYERS, VOCABULARY, tied=True), assignment, installed_plugins().variants)
