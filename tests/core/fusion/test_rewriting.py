"""Fused runs are one node that names its members; windows of layers are parallel branches that sum."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from blockwright.fusion.rewriting import fuse_nodes, in_parallel
from blockwright.fusion.runs import Run
from blockwright.graph.as_dict import from_dict, to_dict
from blockwright.graph.block_graph import BlockGraph, GraphError
from blockwright.graph.building import Outline, graph_of
from blockwright.variants import SLOTS, SubBlock, SubBlockShape, VariantSpec
from blockwright_plugins.variants import register_block_variants

VARIANTS = {(variant.slot, variant.kind): variant() for variant in register_block_variants()}
SHAPES = {slot: SubBlockShape(slot, 24, 6, 3, 8, 32, ffn_bias=True) for slot in SLOTS}


def graph(layers: int = 6, without_attention: tuple[int, ...] = (1, 2, 3)) -> BlockGraph:
    assignment = {SubBlock(layer, "attention"): VariantSpec("attention", "skip") for layer in without_attention}
    assignment |= {SubBlock(2, "ffn"): VariantSpec("ffn", "narrow", (("width", 12),))}
    return graph_of(Outline(SHAPES, layers, 64, tied=True), assignment, VARIANTS)


def test_a_fused_run_is_one_node_in_its_first_members_place() -> None:
    before = graph()
    after = fuse_nodes(before, [Run((0, 1, 2), (32, 32, 12))])
    fused = after["ffn.0"]
    assert (fused.members, fused.label) == (("ffn.0", "ffn.1", "ffn.2"), "fused=76")
    assert [node.name for node in after.before("ffn.0.norm")] == ["attention.0"]
    assert [node.name for node in after.after("ffn.0")] == ["ffn.3.norm"]
    assert len(before.nodes) - len(after.nodes) == 4
    assert fused.params == 3 * 24 * 76 + 2 * 76 + 24
    assert before.params - after.params == 2 * (24 + 24)  # norms and output biases of two
    assert fused.params == VARIANTS["ffn", "keep"].parameters(fused.variant, fused.shape) - 24  # type: ignore[arg-type]


def test_a_fused_graph_survives_json_with_its_members() -> None:
    after = fuse_nodes(graph(), [Run((0, 1, 2), (32, 32, 12))])
    assert from_dict(json.loads(json.dumps(to_dict(after)))) == after
    assert "members" not in json.dumps(to_dict(graph()))


def test_ffns_that_do_not_follow_each_other_cannot_be_fused() -> None:
    with pytest.raises(GraphError, match=r"ffn\.4 does not follow ffn\.3 and cannot be fused with it"):
        fuse_nodes(graph(), [Run((3, 4), (32, 32))])


def test_two_parts_of_one_run_follow_each_other() -> None:
    after = fuse_nodes(graph(), [Run((0, 1), (32, 32)), Run((2, 3), (12, 32))])
    assert [node.name for node in after.after("ffn.0")] == ["ffn.2.norm"]
    assert [node.label for node in after.sub_blocks if node.members] == ["fused=64", "fused=44"]


def test_layers_of_a_window_read_one_stream_and_sum() -> None:
    before = graph(without_attention=(2,))
    after = in_parallel(before, [range(1, 4)])
    assert [node.name for node in after.after("ffn.0")] == ["attention.1.norm", "ffn.2.norm", "attention.3.norm"]
    assert [node.name for node in after.before("attention.4.norm")] == ["ffn.1", "ffn.2", "ffn.3"]
    assert [node.name for node in after.before("ffn.3.norm")] == ["attention.3"]
    assert after.params == before.params
    _, length = after.critical_path(lambda node: node.kind in SLOTS)
    assert length == 2 * 6 - 1 - 3  # of the window's five sub-blocks, two are on the path
    assert from_dict(to_dict(after)) == after


def test_windows_may_follow_each_other_and_end_the_model() -> None:
    after = in_parallel(graph(without_attention=()), [range(2), range(2, 4), range(4, 6)])
    assert [node.name for node in after.before("final_norm")] == ["ffn.4", "ffn.5"]
    assert {node.name for node in after.before("attention.2.norm")} == {"ffn.0", "ffn.1"}
    assert after.critical_path(lambda node: node.kind in SLOTS)[1] == 6


def test_a_window_needs_two_layers_that_add_something() -> None:
    gone = {SubBlock(1, slot): VariantSpec(slot, "skip") for slot in SLOTS}
    lonely = graph_of(Outline(SHAPES, 3, 64, tied=True), gone, VARIANTS)
    with pytest.raises(GraphError, match="layers 0-1: nothing can run side by side"):
        in_parallel(lonely, [range(2)])


def test_branches_of_unlike_beginnings_are_still_refused() -> None:
    after = in_parallel(graph(without_attention=()), [range(1, 4)])
    moved = [("embedding" if edge[1] == "attention.3.norm" else edge[0], edge[1]) for edge in after.edges]
    with pytest.raises(GraphError, match=r"different forks: ffn\.1 leaves ffn\.0.* ffn\.3 leaves embedding"):
        replace(after, edges=tuple(moved))
