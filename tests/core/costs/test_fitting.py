"""Several GPUs share a model, and what is too large for them is told with what would do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blockwright.costs import CostModel, Scenario
from blockwright.errors import UserError
from blockwright.graph.block_graph import BlockGraph
from blockwright.hardware.profile import HardwareProfile

Graphs = Callable[..., BlockGraph]
CHAT = Scenario(batch=32, input_tokens=1024, output_tokens=256)


def shared(gpus: int) -> Scenario:
    return CHAT.model_copy(update={"tensor_parallel": gpus})


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_each_gpu_has_its_share_of_matrices_and_all_norms(llama: Graphs, plain: HardwareProfile, gpus: int) -> None:
    model, graph = CostModel(plain), llama(layers=2)
    alone, together = model.model(graph, CHAT), model.model(graph, shared(gpus))
    norms = 2 * 5 * 4096  # bytes of five norms
    assert together.weight_bytes == pytest.approx((alone.weight_bytes - norms) / gpus + norms)
    assert together.parameters == alone.parameters
    assert together.parts["ffn.0"].weight_bytes * gpus == alone.parts["ffn.0"].weight_bytes
    assert together.parts["final_norm"].weight_bytes == alone.parts["final_norm"].weight_bytes


@pytest.mark.parametrize(("gpus", "share"), [(1, 1), (2, 1 / 2), (4, 1 / 2), (8, 1 / 2)])
def test_kv_heads_fewer_than_the_gpus_are_there_several_times(
    llama: Graphs, plain: HardwareProfile, gpus: int, share: float
) -> None:
    graph = llama(layers=2, kv_heads=2)
    whole = CostModel(plain).model(graph, shared(gpus))
    assert whole.kv_bytes_per_token == graph.kv_bytes_per_token("bf16") * share
    assert whole.memory_bytes == pytest.approx(whole.weight_bytes + whole.kv_bytes_per_token * 32 * 1280)


def test_kv_heads_are_split_as_long_as_there_are_enough(llama: Graphs, plain: HardwareProfile) -> None:
    caches = [CostModel(plain).model(llama(layers=1), shared(gpus)).kv_bytes_per_token for gpus in (1, 2, 4, 8)]
    assert [caches[0] / cache for cache in caches] == [1, 2, 4, 8]


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_gpus_that_share_must_add_up_what_they_found(llama: Graphs, plain: HardwareProfile, gpus: int) -> None:
    """On a link so slow that nothing else counts, a step takes the all-reduces of embedding, layers and head."""
    slow = plain.model_copy(update={"link_gb_s": 1e-3})
    whole = CostModel(slow).model(llama(layers=2), shared(gpus))
    ring, logits = 2 * (gpus - 1) / gpus * 32 * 4096 * 2, (gpus - 1) / gpus * 32 * 32000 * 2  # bytes
    assert whole.decode_ms == pytest.approx((5 * ring + logits) / (0.8 * 1e3), rel=0.001)  # 1e3 bytes a millisecond
    alone = CostModel(plain).model(llama(layers=2), CHAT)
    assert whole.parts["ffn.0.norm"].decode_ms == alone.parts["ffn.0.norm"].decode_ms


def test_a_fast_link_makes_sharing_worth_it(llama: Graphs) -> None:
    times = [CostModel("h100-sxm").model(llama(layers=2), shared(gpus)).decode_ms for gpus in (1, 2, 4)]
    assert times == sorted(times, reverse=True)


def test_heads_that_do_not_divide_are_refused_with_what_does(llama: Graphs, plain: HardwareProfile) -> None:
    with pytest.raises(
        UserError, match=r"12 attention heads cannot be split over 8 GPUs; tensor_parallel can be 1, 2, 3, 4, 6"
    ):
        CostModel(plain).model(llama(layers=1, attention_heads=12, kv_heads=4), shared(8))


def test_a_machine_without_a_link_shares_nothing(llama: Graphs, plain: HardwareProfile) -> None:
    with pytest.raises(UserError, match=r"plain has no link between GPUs \(link_gb_s\); use tensor_parallel: 1"):
        CostModel(plain.model_copy(update={"link_gb_s": None})).model(llama(layers=1), shared(2))


@pytest.mark.parametrize("gpus", [1, 2])
def test_the_largest_batch_fits_and_one_more_does_not(llama: Graphs, plain: HardwareProfile, gpus: int) -> None:
    model, graph = CostModel(plain), llama()
    largest = model.model(graph, shared(gpus)).max_batch
    assert largest > 1
    memory = [
        model.model(graph, shared(gpus).model_copy(update={"batch": batch})).memory_bytes
        for batch in (largest, largest + 1)
    ]
    assert memory[0] <= plain.usable_bytes < memory[1]


def test_the_largest_batch_does_not_depend_on_the_scenarios_own(llama: Graphs, plain: HardwareProfile) -> None:
    batches = {CostModel(plain).model(llama(), CHAT.model_copy(update={"batch": one})).max_batch for one in (1, 7, 512)}
    assert len(batches) == 1


def test_a_model_that_fits_to_the_byte_fits(llama: Graphs, plain: HardwareProfile) -> None:
    whole = CostModel(plain).model(llama(layers=1), CHAT.model_copy(update={"batch": 1}))
    exact = plain.model_copy(update={"memory_fraction": 1.0, "overhead_gib": 0.0})
    just = exact.model_copy(update={"memory_gib": whole.memory_bytes / 2**30})
    assert CostModel(just).model(llama(layers=1), CHAT).max_batch == 1
    short = exact.model_copy(update={"memory_gib": (whole.memory_bytes - 1) / 2**30})
    with pytest.raises(UserError):
        CostModel(short).model(llama(layers=1), CHAT)


def test_a_model_that_does_not_fit_is_told_by_how_much_and_what_would_do(llama: Graphs, plain: HardwareProfile) -> None:
    small = plain.model_copy(update={"memory_gib": 10.0})
    with pytest.raises(UserError) as caught:
        CostModel(small).model(llama(), CHAT)
    graph = llama()
    weights, cache = 2 * graph.params / 2**30, graph.kv_bytes_per_token("bf16") * 1280 / 2**30
    assert str(caught.value) == (
        f"plain: {weights:.1f} GiB of weights and {cache:.2f} GiB of KV cache for one sequence are "
        f"{weights + cache - 7:.1f} GiB more than the 7.0 GiB that it can give them (90% of 10 GiB, less 2); "
        "tensor_parallel: 2 would do"
    )
    assert CostModel(small).model(llama(), shared(2)).max_batch >= 1


@pytest.mark.parametrize(("memory_gib", "gpus"), [(10, 2), (6.5, 4), (5, 8)])
def test_the_number_of_gpus_that_is_told_does_fit_and_half_of_it_does_not(
    llama: Graphs, plain: HardwareProfile, memory_gib: float, gpus: int
) -> None:
    small = plain.model_copy(update={"memory_gib": memory_gib})
    for fewer in (1, gpus // 2):
        with pytest.raises(UserError, match=f"tensor_parallel: {gpus} would do$"):
            CostModel(small).model(llama(), shared(fewer))
    assert CostModel(small).model(llama(), shared(gpus)).max_batch >= 1


def test_nothing_is_promised_where_no_number_of_gpus_would_do(llama: Graphs, plain: HardwareProfile) -> None:
    for hopeless in ({"memory_gib": 3.0}, {"memory_gib": 10.0, "link_gb_s": None}):
        with pytest.raises(UserError) as caught:
            CostModel(plain.model_copy(update=hopeless)).model(llama(), CHAT)
        assert "would do" not in str(caught.value)
