"""Joined parts cost fewer norms, launches and all-reduces, and read the same weights."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from blockwright.costs import CostModel, ModelCost, Scenario
from blockwright.fusion.rewriting import fuse_nodes, in_parallel
from blockwright.fusion.runs import Run
from blockwright.graph.block_graph import BlockGraph
from blockwright.graph.building import Outline, graph_of
from blockwright.hardware.profile import HardwareProfile
from blockwright.variants import SLOTS, BlockVariant, Slot, SubBlock, SubBlockShape, VariantSpec

SHARED = Scenario(batch=8, input_tokens=1024, output_tokens=256, tensor_parallel=8, weights="fp8")
WIDTH = 28672
Variants = Mapping[tuple[Slot, str], BlockVariant]


def child(variants: Variants, layers: int = 6, with_attention: tuple[int, ...] = (0,)) -> BlockGraph:
    """Layers of Llama-3.1-70B, most of them without attention."""
    shapes = {slot: SubBlockShape(slot, 8192, 64, 8, 128, WIDTH) for slot in SLOTS}
    gone = [layer for layer in range(layers) if layer not in with_attention]
    assignment = {SubBlock(layer, "attention"): VariantSpec("attention", "skip") for layer in gone}
    return graph_of(Outline(shapes, layers, 32000, tied=False), assignment, variants)


def model(graph: BlockGraph, scenario: Scenario = SHARED, hardware: str = "h100-sxm") -> ModelCost:
    return CostModel(hardware).model(graph, scenario)


@pytest.mark.filterwarnings("ignore::blockwright.costs.TableExceeded")
def test_a_fused_ffn_costs_one_norm_and_one_set_of_launches(variants: Variants) -> None:
    before = child(variants)
    after = fuse_nodes(before, [Run((1, 2, 3, 4), (WIDTH,) * 4)])
    one, other = model(before), model(after)
    norms = 3 * 8192 * 2  # bytes
    assert one.weight_bytes - other.weight_bytes == pytest.approx(norms)
    assert one.parts["ffn.1"].weight_bytes * 4 == pytest.approx(other.parts["ffn.1"].weight_bytes)
    assert other.parts["ffn.1"].decode_waits_ms == pytest.approx(one.parts["ffn.1"].decode_waits_ms, rel=0.05)
    waits = sum(one.parts[f"ffn.{layer}"].decode_waits_ms for layer in (2, 3, 4))
    norm_ms = one.parts["ffn.2.norm"].decode_ms
    assert norm_ms is not None
    assert one.decode_ms - other.decode_ms > 0.8 * (waits + 3 * norm_ms)
    assert one.prefill_ms > other.prefill_ms


def test_on_a_machine_without_latency_fusion_saves_what_norms_and_all_reduces_move(
    variants: Variants, tireless: HardwareProfile
) -> None:
    before = child(variants)
    after = fuse_nodes(before, [Run((1, 2, 3, 4), (WIDTH,) * 4)])
    alone = SHARED.model_copy(update={"tensor_parallel": 1, "weights": "bf16"})
    one, other = (CostModel(tireless).model(graph, alone) for graph in (before, after))
    norm = one.parts["ffn.2.norm"].decode_ms or 0
    streams = one.parts["ffn.2"].decode_ms or 0
    saved = one.decode_ms - other.decode_ms
    assert 3 * norm <= saved <= 3 * (norm + 0.02 * streams)


def test_layers_side_by_side_share_latency_and_nothing_else(variants: Variants) -> None:
    before = child(variants, with_attention=(0, 1, 2, 3, 4, 5))
    after = in_parallel(before, [range(1, 5)])
    one, other = model(before), model(after)
    assert one.weight_bytes == other.weight_bytes
    assert one.kv_bytes_per_token == other.kv_bytes_per_token
    layer = [one.parts[f"{slot}.2{norm}"].decode_waits_ms for slot in SLOTS for norm in ("", ".norm")]
    assert one.decode_ms - other.decode_ms == pytest.approx(3 * sum(layer))
    assert sum(layer) > 0
