"""From operations to sub-blocks, and from those to whole models: what adds up, what is shared, and what fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from blockwright.costs import BlockCost, CostModel, Scenario
from blockwright.costs.parts import PlacedVariant
from blockwright.errors import UserError
from blockwright.graph.block_graph import BlockGraph
from blockwright.hardware.profile import HardwareProfile
from blockwright.variants import BlockVariant, Slot, SubBlockShape, VariantSpec
from blockwright_plugins.costs.roofline import Roofline
from blockwright_plugins.costs.tables import TableCosts
from blockwright_plugins.costs.weights import WeightCosts

Graphs = Callable[..., BlockGraph]
CHAT = Scenario(batch=32, input_tokens=1024, output_tokens=256)


def test_the_installed_model_that_suits_the_hardware_best_is_made(plain: HardwareProfile) -> None:
    assert type(CostModel("h100-sxm")) is TableCosts
    assert type(CostModel(HardwareProfile.load("h100-sxm"))) is TableCosts
    assert type(CostModel(plain)) is Roofline
    assert type(CostModel()) is WeightCosts


def test_a_machine_that_there_is_none_of_is_told() -> None:
    with pytest.raises(UserError, match=r"no hardware profile is called 'h10-sxm', did you mean 'h100-sxm'\?"):
        CostModel("h10-sxm")


@pytest.mark.parametrize("model", [Roofline, TableCosts])
def test_a_model_of_times_needs_a_machine(model: type[CostModel]) -> None:
    with pytest.raises(UserError, match=f"the cost model '{model.name}' needs a machine; add `hardware: h100-sxm`"):
        model()


def test_weights_alone_price_no_whole_model(llama: Graphs) -> None:
    with pytest.raises(ValueError, match="'weights' knows no times; name a hardware profile"):
        CostModel().model(llama(layers=1), CHAT)


@pytest.mark.parametrize("hardware", ["h100-sxm", "plain"])
def test_a_chains_times_are_the_sums_of_its_parts(hardware: str, llama: Graphs, plain: HardwareProfile) -> None:
    machine = plain if hardware == "plain" else HardwareProfile.load(hardware)
    graph = llama(layers=3)
    whole = CostModel(machine).model(graph, CHAT)
    assert list(whole.parts) == [node.name for node in graph.nodes]
    assert whole.decode_ms == pytest.approx(math.fsum(part.decode_ms or 0 for part in whole.parts.values()))
    assert whole.prefill_ms == pytest.approx(math.fsum(part.prefill_ms or 0 for part in whole.parts.values()))
    assert whole.parameters == graph.params
    assert whole.kv_bytes_per_token == graph.kv_bytes_per_token("bf16")


def test_variants_and_what_no_variant_changes_add_up_to_the_model(
    llama: Graphs, variants: Mapping[tuple[Slot, str], BlockVariant]
) -> None:
    model, graph = CostModel("h100-sxm"), llama(layers=3)
    blocks = [_block(model, node.variant, node.shape, variants) for node in graph.sub_blocks]
    parts = [model.fixed(graph, CHAT), *blocks]
    whole = model.model(graph, CHAT)
    totals = [sum(part.resources(CHAT)[name] for part in parts) for name in ("params", "memory", "decode_ms")]
    assert totals == pytest.approx([whole.parameters, whole.memory_bytes, whole.decode_ms])
    per_token = sum(part.resources(CHAT)["ms_per_token"] for part in parts)
    assert whole.tokens_per_s == pytest.approx(1e3 / per_token)


def _block(
    model: CostModel, spec: VariantSpec | None, shape: SubBlockShape | None, variants: Mapping[object, BlockVariant]
) -> BlockCost:
    assert spec is not None
    assert shape is not None
    return model.block(PlacedVariant(variants[(spec.slot, spec.kind)], spec, shape), CHAT)


def test_what_the_engine_adds_to_a_step_is_in_every_step_once(llama: Graphs, plain: HardwareProfile) -> None:
    slower = plain.model_copy(update={"step_overhead_us": 500.0})
    graph = llama(layers=2)
    one, other = (CostModel(machine).model(graph, CHAT) for machine in (plain, slower))
    assert other.decode_ms == pytest.approx(one.decode_ms + 0.5)
    assert other.prefill_ms == pytest.approx(one.prefill_ms + 0.5)
    fixed = [CostModel(machine).fixed(graph, CHAT).decode_ms or 0 for machine in (plain, slower)]
    assert fixed[1] == pytest.approx(fixed[0] + 0.5)


def test_a_server_that_is_always_full_follows_from_decode_and_prefill(llama: Graphs) -> None:
    whole = CostModel("h100-sxm").model(llama(layers=2), CHAT)
    assert whole.tpot_ms == pytest.approx(whole.decode_ms + 31 * whole.prefill_ms / 256)
    seconds = (256 * whole.decode_ms + 32 * whole.prefill_ms) / 1e3  # for the answers of a whole batch
    assert whole.tokens_per_s == pytest.approx(32 * 256 / seconds)


def test_a_lone_sequence_waits_for_nobodys_prompt(llama: Graphs, plain: HardwareProfile) -> None:
    whole = CostModel(plain).model(llama(layers=2), Scenario())
    assert whole.tpot_ms == whole.decode_ms


def parallel(graph: BlockGraph) -> BlockGraph:
    """The same parts with attention and FFN of the only layer side by side."""
    edges = [
        ("embedding", "attention.0.norm"), ("attention.0.norm", "attention.0"), ("attention.0", "final_norm"),
        ("embedding", "ffn.0.norm"), ("ffn.0.norm", "ffn.0"), ("ffn.0", "final_norm"), ("final_norm", "head"),
    ]  # fmt: skip
    return replace(graph, edges=tuple(edges))


def test_parallel_branches_share_their_waits_and_not_their_work(llama: Graphs, plain: HardwareProfile) -> None:
    scenario = CHAT.model_copy(update={"tensor_parallel": 2})
    row = CostModel(plain).model(llama(layers=1), scenario)
    side_by_side = CostModel(plain).model(parallel(llama(layers=1)), scenario)
    waits = {
        slot: row.parts[f"{slot}.0"].decode_waits_ms + row.parts[f"{slot}.0.norm"].decode_waits_ms
        for slot in ("attention", "ffn")
    }
    assert 0 < waits["ffn"] < waits["attention"]
    assert side_by_side.decode_ms == pytest.approx(row.decode_ms - waits["ffn"])
    assert side_by_side.weight_bytes == row.weight_bytes


def test_without_latency_parallel_branches_gain_nothing(llama: Graphs, tireless: HardwareProfile) -> None:
    row, side_by_side = (
        CostModel(tireless).model(graph, CHAT).decode_ms for graph in (llama(layers=1), parallel(llama(layers=1)))
    )
    assert side_by_side == pytest.approx(row, rel=1e-9)


def test_decode_reads_the_weights_and_the_cache_at_the_memorys_speed(llama: Graphs, tireless: HardwareProfile) -> None:
    whole = CostModel(tireless).model(llama(), Scenario(batch=4, input_tokens=4000, output_tokens=2))
    read = whole.weight_bytes - 2 * 32000 * 4096 + whole.kv_bytes_per_token * 4 * 4001  # of the embedding, 4 rows
    assert whole.decode_ms == pytest.approx(read / 1e9, rel=0.01)  # 1000 GB/s are 1e9 bytes a millisecond


def test_shorter_contexts_and_smaller_batches_are_never_slower(llama: Graphs, plain: HardwareProfile) -> None:
    model, graph = CostModel(plain), llama(layers=1)
    for name, values in {"batch": (1, 4, 64), "input_tokens": (16, 512, 8192)}.items():
        costs = [model.model(graph, CHAT.model_copy(update={name: value})) for value in values]
        times = [cost.decode_ms for cost in costs]
        assert times == sorted(set(times))


def test_a_tied_head_is_counted_once_and_read_all_the_same(llama: Graphs, plain: HardwareProfile) -> None:
    tied, untied = (CostModel(plain).model(llama(layers=1, tied=tied), CHAT) for tied in (True, False))
    assert untied.parameters - tied.parameters == 32000 * 4096
    assert untied.weight_bytes - tied.weight_bytes == 2 * 32000 * 4096
    assert tied.decode_ms == untied.decode_ms


def test_at_fp8_embedding_head_and_norms_stay_at_bf16(llama: Graphs, plain: HardwareProfile) -> None:
    model, graph = CostModel(plain), llama(layers=2)
    wide, narrow = (model.model(graph, CHAT.model_copy(update={"weights": p})) for p in ("bf16", "fp8"))
    for name in ("embedding", "head", "final_norm", "attention.1.norm"):
        assert narrow.parts[name] == wide.parts[name]
    for name in ("attention.0", "ffn.1"):
        assert narrow.parts[name].weight_bytes * 2 == wide.parts[name].weight_bytes
        assert (narrow.parts[name].decode_ms or 0) < (wide.parts[name].decode_ms or 0)
    assert narrow.kv_bytes_per_token == wide.kv_bytes_per_token


def test_a_cache_at_fp8_is_half_as_large(llama: Graphs, plain: HardwareProfile) -> None:
    model, graph = CostModel(plain), llama(layers=2)
    wide, narrow = (model.model(graph, CHAT.model_copy(update={"kv": p})) for p in ("bf16", "fp8"))
    assert narrow.kv_bytes_per_token * 2 == wide.kv_bytes_per_token
    assert narrow.weight_bytes == wide.weight_bytes
    assert narrow.decode_ms < wide.decode_ms
