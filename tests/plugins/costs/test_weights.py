"""The cost model `weights` counts what checkpoints and caches really hold."""

from __future__ import annotations

import pytest

from blockwright.costs import Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.variants import SLOTS, SubBlockShape, VariantSpec
from blockwright_plugins.costs.weights import WeightCosts
from blockwright_plugins.variants import register_block_variants

VARIANTS = {(variant.slot, variant.kind): variant() for variant in register_block_variants()}
SMOLLM2 = {slot: SubBlockShape(slot, 576, attention_heads=9, kv_heads=3, head_dim=64, ffn_width=1536) for slot in SLOTS}


def resources(spec: VariantSpec, **scenario: object) -> dict[str, float]:
    settings = Scenario.model_validate(scenario)
    placed = PlacedVariant(VARIANTS[(spec.slot, spec.kind)], spec, SMOLLM2[spec.slot])
    return WeightCosts().block(placed, settings).resources(settings)


def test_a_whole_smollm2_sums_to_its_known_size() -> None:
    layer = sum(resources(VariantSpec(slot, "keep"))["params"] for slot in SLOTS)
    assert 30 * layer + 49152 * 576 + 576 == 134_515_008


def test_memory_is_weights_and_the_full_cache_in_their_own_precisions() -> None:
    keep = VariantSpec("attention", "keep")
    found = resources(keep, batch=4, input_tokens=100, output_tokens=28, weights="fp8", kv="fp32")
    norm = 576  # which engines keep at bf16
    assert found["memory"] == (found["params"] - norm) * 1 + norm * 2 + 4 * 128 * (2 * 3 * 64) * 4


@pytest.mark.parametrize(("precision", "bytes_each"), [("fp32", 4), ("bf16", 2), ("fp16", 2), ("fp8", 1)])
def test_weight_bytes_follow_the_precision(precision: str, bytes_each: int) -> None:
    found = resources(VariantSpec("ffn", "keep"), weights=precision)
    assert found["params"] == 3 * 576 * 1536 + 576
    assert found["memory"] == 3 * 576 * 1536 * bytes_each + 576 * max(2, bytes_each)


def test_fewer_kv_heads_shrink_the_cache_and_no_attention_leaves_none() -> None:
    def cached(spec: VariantSpec) -> float:
        short, long = (resources(spec, input_tokens=tokens)["memory"] for tokens in (1, 1001))
        return (long - short) / 1000

    assert cached(VariantSpec("attention", "keep")) == 3 * cached(VariantSpec("attention", "kv_heads", (("heads", 1),)))
    assert cached(VariantSpec("attention", "linear")) == cached(VariantSpec("attention", "skip")) == 0


def test_a_skipped_sub_block_costs_nothing() -> None:
    assert [resources(VariantSpec(slot, "skip")) for slot in SLOTS] == [{"params": 0.0, "memory": 0.0}] * 2
