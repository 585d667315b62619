"""The two published children against their parents on the bundled H100 profile: what the cost model says, not tuned."""

from __future__ import annotations

import warnings

from common import print_table
from llamas import PARENTS, child_graph, parent_graph

from blockwright.costs import CostModel, ModelCost, Scenario
from blockwright.errors import UserError
from blockwright.graph.block_graph import BlockGraph
from blockwright.hardware.profile import HardwareProfile

ULTRA, SUPER = "nemotron-ultra-253b", "nemotron-super-49b"


def main() -> None:
    warnings.simplefilter("ignore")
    counts = [(name, graph.params) for name, graph in _graphs().items()]
    print_table("Parameters", ("model", "parameters"), counts)
    hardware = HardwareProfile.load("h100-sxm")
    header = ("input", "KV", "parent, ms", "child, ms", "decode ratio", "prefill ratio")
    rows = [_latency(hardware, tokens, kv) for tokens in (1024, 4096) for kv in ("bf16", "fp8")]
    print_table("Ultra-253B against 405B: TP8, fp8, batch 32 (published: 1.71 times)", header, rows)
    columns = ("memory fraction", "overhead, GiB", "KV", "batches", "parent, tokens/s", "child, tokens/s", "ratio")
    widest = [
        _throughput(hardware.model_copy(update={"memory_fraction": fraction, "overhead_gib": overhead}), kv)
        for kv in ("bf16", "fp8")
        for fraction in (0.9, 0.95)
        for overhead in (1.0, 2.0, 3.5)
    ]
    print_table(
        "Super-49B against 70B: one H100, fp8, 128 in, 1024 out, largest batches (published: 5 times)", columns, widest
    )
    equal = [_equal_batch(hardware, batch) for batch in (1, 8, 32, 64)]
    print_table(
        "The same at equal batch, fp8 KV, whether the parent fits or not", ("batch", "ratio of tokens/s"), equal
    )


def _graphs() -> dict[str, BlockGraph]:
    return {name: parent_graph(name) for name in set(PARENTS.values())} | {name: child_graph(name) for name in PARENTS}


def _latency(hardware: HardwareProfile, tokens: int, kv: str) -> tuple[object, ...]:
    scenario = Scenario.model_validate(
        {"batch": 32, "input_tokens": tokens, "output_tokens": 1024, "tensor_parallel": 8, "weights": "fp8", "kv": kv}
    )
    cost_model = CostModel(hardware)
    parent = cost_model.model(parent_graph(PARENTS[ULTRA]), scenario)
    child = cost_model.model(child_graph(ULTRA), scenario)
    ratios = (parent.decode_ms / child.decode_ms, parent.prefill_ms / child.prefill_ms)
    return tokens, kv, parent.decode_ms, child.decode_ms, *ratios


def _throughput(hardware: HardwareProfile, kv: str) -> tuple[object, ...]:
    parent, child = (_at_largest_batch(hardware, graph, kv) for graph in _supers())
    row = (hardware.memory_fraction, hardware.overhead_gib, kv)
    if parent is None or child is None:
        return *row, "the parent does not fit", "", "", ""
    batches = f"{parent.max_batch} and {child.max_batch}"
    return *row, batches, parent.tokens_per_s, child.tokens_per_s, child.tokens_per_s / parent.tokens_per_s


def _supers() -> tuple[BlockGraph, BlockGraph]:
    return parent_graph(PARENTS[SUPER]), child_graph(SUPER)


def _at_largest_batch(hardware: HardwareProfile, graph: BlockGraph, kv: str) -> ModelCost | None:
    cost_model = CostModel(hardware)
    try:
        largest = cost_model.model(graph, _chat(1, kv)).max_batch
    except UserError:
        return None
    return cost_model.model(graph, _chat(largest, kv))


def _chat(batch: int, kv: str) -> Scenario:
    return Scenario.model_validate(
        {"batch": batch, "input_tokens": 128, "output_tokens": 1024, "weights": "fp8", "kv": kv}
    )


def _equal_batch(hardware: HardwareProfile, batch: int) -> tuple[object, ...]:
    roomy = hardware.model_copy(update={"memory_gib": 200.0})
    parent, child = (CostModel(roomy).model(graph, _chat(batch, "fp8")) for graph in _supers())
    return batch, child.tokens_per_s / parent.tokens_per_s


if __name__ == "__main__":
    main()
