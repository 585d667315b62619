"""The graph of a child counts what the child has, and nothing that was skipped."""

from __future__ import annotations

import pytest

from blockwright.graph.as_dict import from_dict, to_dict
from blockwright.graph.building import Outline, graph_of
from blockwright.variants import SLOTS, SubBlock, SubBlockShape, VariantSpec
from blockwright_plugins.variants import register_block_variants

VARIANTS = {(variant.slot, variant.kind): variant() for variant in register_block_variants()}
SHAPES = {
    slot: SubBlockShape(slot, hidden_size=576, attention_heads=9, kv_heads=3, head_dim=64, ffn_width=1536)
    for slot in SLOTS
}
SMOLLM2 = Outline(SHAPES, layers=30, vocab_size=49152, tied=True)
SKIPPED = {SubBlock(layer, slot): VariantSpec(slot, "skip") for layer in range(30) for slot in SLOTS}


def test_smollm2_has_134_515_008_parameters_with_its_tied_embedding_once() -> None:
    graph = graph_of(SMOLLM2, {}, VARIANTS)
    assert graph.params == 134_515_008
    assert len(graph.sub_blocks) == 60
    assert graph.kv_bytes_per_token("bf16") == 30 * 2 * 3 * 64 * 2


def test_an_untied_head_counts_apart() -> None:
    untied = graph_of(Outline(SHAPES, 30, 49152, tied=False), {}, VARIANTS)
    assert untied.params == 134_515_008 + 49152 * 576


def test_skipped_sub_blocks_vanish_with_their_norms() -> None:
    gone = SubBlock(3, "attention"), SubBlock(3, "ffn"), SubBlock(29, "ffn")
    graph = graph_of(SMOLLM2, {sub_block: SKIPPED[sub_block] for sub_block in gone}, VARIANTS)
    names = {node.name for node in graph.nodes}
    assert names & {"attention.3", "attention.3.norm", "ffn.3", "ffn.3.norm", "ffn.29", "ffn.29.norm"} == set()
    assert [node.name for node in graph.after("ffn.2")] == ["attention.4.norm"]
    assert [node.name for node in graph.before("final_norm")] == ["attention.29"]


def test_a_child_without_any_layer_is_still_a_graph() -> None:
    graph = graph_of(SMOLLM2, SKIPPED, VARIANTS)
    assert graph.params == 49152 * 576 + 576
    assert [node.kind for node in graph.nodes] == ["embedding", "norm", "head"]


def test_a_narrowed_child_counts_what_its_variants_count() -> None:
    narrow = VariantSpec("ffn", "narrow", (("width", 768),))
    fewer = VariantSpec("attention", "kv_heads", (("heads", 1),))
    linear = VariantSpec("attention", "linear")
    graph = graph_of(
        SMOLLM2,
        {SubBlock(0, "ffn"): narrow, SubBlock(1, "attention"): fewer, SubBlock(2, "attention"): linear},
        VARIANTS,
    )
    assert graph["ffn.0"].params == 3 * 576 * 768
    assert graph["attention.1"].kv_values_per_token == 2 * 64
    assert graph["attention.2"].params == 576 * 576
    assert graph["attention.2"].kv_values_per_token == 0
    assert graph["attention.2"].label == "linear"
    assert from_dict(to_dict(graph)) == graph


def test_a_graph_of_126_layers_keeps_its_order() -> None:
    graph = graph_of(Outline(SHAPES, 126, 1000, tied=False), {}, VARIANTS)
    layers = [node.layer for node in graph.sub_blocks]
    assert layers == sorted(layers)
    assert len(layers) == 252


@pytest.mark.parametrize(
    ("sub_block", "spec", "told"),
    [
        (SubBlock(30, "ffn"), VariantSpec("ffn", "skip"), "ffn.30: the parent has 30 layers, 0 to 29"),
        (SubBlock(1, "ffn"), VariantSpec("attention", "skip"), "ffn.1: skip is a variant of attention"),
        (SubBlock(1, "ffn"), VariantSpec("ffn", "moe"), "ffn.1: no ffn variant is called 'moe'"),
    ],
)
def test_an_assignment_that_does_not_fit_is_told(sub_block: SubBlock, spec: VariantSpec, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        graph_of(SMOLLM2, {sub_block: spec}, VARIANTS)
