"""Graphs of a Llama of 8 billion parameters and of a small one, and machines that are easy to reckon with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from blockwright.graph.block_graph import BlockGraph
from blockwright.graph.building import Outline, graph_of
from blockwright.hardware.efficiency import Efficiency
from blockwright.hardware.profile import HardwareProfile
from blockwright.variants import SLOTS, BlockVariant, Slot, SubBlockShape
from blockwright_plugins.variants import register_block_variants

Graphs = Callable[..., BlockGraph]


@pytest.fixture(scope="session")
def variants() -> Mapping[tuple[Slot, str], BlockVariant]:
    return {(variant.slot, variant.kind): variant() for variant in register_block_variants()}


@pytest.fixture(scope="session")
def llama(variants: Mapping[tuple[Slot, str], BlockVariant]) -> Graphs:
    """The layers of Llama-3.1-8B with the vocabulary of Llama 2, which tables cover; any size may be changed."""

    def graph(layers: int = 32, tied: bool = False, **sizes: int) -> BlockGraph:
        published = {"hidden_size": 4096, "attention_heads": 32, "kv_heads": 8, "head_dim": 128, "ffn_width": 14336}
        shapes = {slot: SubBlockShape(slot, **{**published, **sizes}) for slot in SLOTS}
        return graph_of(Outline(shapes, layers, 32000, tied), {}, variants)

    return graph


@pytest.fixture(scope="session")
def plain() -> HardwareProfile:
    """A machine without tables whose kernels come as near to its peaks as those of nobody's own calibration."""
    return HardwareProfile(
        name="plain", memory_gib=80, bandwidth_gb_s=3000, peak_tflops={"bf16": 1000, "fp8": 2000}, link_gb_s=400
    )


@pytest.fixture(scope="session")
def tireless() -> HardwareProfile:
    """A machine without any latency, on which time is bytes over bandwidth or arithmetic over peak."""
    perfect = Efficiency(fixed_us=0, compute=1, bandwidth=1, sharpness=50)
    kinds = ("gemm", "context_attention", "generation_attention", "all_reduce", "elementwise")
    return HardwareProfile(
        name="tireless", memory_gib=1000, bandwidth_gb_s=1000, peak_tflops={"bf16": 1e6, "fp8": 1e6}, link_gb_s=1e6,
        efficiency={kind: {"bf16": perfect, "fp8": perfect} for kind in kinds},
    )  # fmt: skip
