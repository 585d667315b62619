"""The parts of a model are the operations that an engine runs for them, on one of the GPUs that share it."""

from __future__ import annotations

import pytest

from blockwright.costs import Scenario
from blockwright.costs.parts import Embedding, Head, Norm, PlacedVariant, linear_operations
from blockwright.hardware.operations import (
    AllReduce,
    ContextAttention,
    Elementwise,
    Gemm,
    GenerationAttention,
    Operation,
)
from blockwright.variants import SLOTS, SubBlockShape, VariantSpec
from blockwright_plugins.variants import register_block_variants

VARIANTS = {(variant.slot, variant.kind): variant() for variant in register_block_variants()}
SHAPES = {
    slot: SubBlockShape(slot, hidden_size=1024, attention_heads=16, kv_heads=4, head_dim=64, ffn_width=4096)
    for slot in SLOTS
}
SCENARIO = Scenario(batch=8, input_tokens=100, output_tokens=20)


def placed(slot: str, kind: str, **options: int) -> PlacedVariant:
    spec = VariantSpec(slot, kind, tuple(options.items()))  # type: ignore[arg-type]
    return PlacedVariant(VARIANTS[(spec.slot, kind)], spec, SHAPES[spec.slot])


def shared(gpus: int) -> Scenario:
    return SCENARIO.model_copy(update={"tensor_parallel": gpus})


def weights_in(operations: tuple[Operation, ...]) -> int:
    return sum(one.n * one.k for one in operations if isinstance(one, Gemm))


def test_attention_is_two_products_around_the_heads() -> None:
    operations = placed("attention", "keep").operations(SCENARIO.decode)
    assert [one for one in operations if isinstance(one, Gemm)] == [
        Gemm("bf16", m=8, n=(16 + 2 * 4) * 64, k=1024),
        Gemm("bf16", m=8, n=1024, k=16 * 64),
    ]
    assert GenerationAttention("bf16", batch=8, heads=16, kv_heads=4, head_dim=64, kv_tokens=110) in operations


def test_prefill_attends_to_the_prompt() -> None:
    operations = placed("attention", "keep").operations(SCENARIO.prefill)
    assert ContextAttention("bf16", batch=1, heads=16, kv_heads=4, head_dim=64, tokens=100) in operations
    assert all(one.m == 100 for one in operations if isinstance(one, Gemm))


def test_an_ffn_is_gate_and_up_in_one_product_and_down() -> None:
    operations = placed("ffn", "keep").operations(SCENARIO.decode)
    assert operations == (
        Gemm("bf16", m=8, n=2 * 4096, k=1024),
        Elementwise("bf16", values=3 * 8 * 4096),
        Gemm("bf16", m=8, n=1024, k=4096),
    )


@pytest.mark.parametrize(
    "variant",
    [
        placed("attention", "keep"),
        placed("attention", "kv_heads", heads=1),
        placed("attention", "linear"),
        placed("ffn", "keep"),
        placed("ffn", "narrow", width=1000),
        placed("ffn", "linear"),
    ],
    ids=lambda variant: f"{variant.spec.slot} {variant.spec.label}",
)
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_products_read_every_weight_once(variant: PlacedVariant, phase: str) -> None:
    operations = variant.operations(getattr(SCENARIO, phase))
    assert weights_in(operations) == variant.parameters - 1024  # less the norm's
    assert not any(isinstance(one, AllReduce) for one in operations)


@pytest.mark.parametrize("slot", SLOTS)
def test_a_skipped_sub_block_does_nothing(slot: str) -> None:
    for gpus in (1, 2):
        assert placed(slot, "skip").operations(shared(gpus).decode) == ()


def test_norms_on_queries_and_keys_are_one_operation_more() -> None:
    shape = SubBlockShape("attention", 1024, attention_heads=16, kv_heads=4, head_dim=64, ffn_width=4096, qk_norm=True)
    spec = VariantSpec("attention", "keep")
    normed = PlacedVariant(VARIANTS[("attention", "keep")], spec, shape).operations(SCENARIO.decode)
    plain = placed("attention", "keep").operations(SCENARIO.decode)
    assert [one for one in normed if one not in plain] == [Elementwise("bf16", values=2 * 8 * (16 + 4) * 64)]


@pytest.mark.parametrize("gpus", [2, 4])
@pytest.mark.parametrize("slot", SLOTS)
def test_gpus_share_the_weights_and_add_up_the_stream(slot: str, gpus: int) -> None:
    alone = placed(slot, "keep").operations(SCENARIO.decode)
    together = placed(slot, "keep").operations(shared(gpus).decode)
    assert weights_in(together) * gpus == weights_in(alone)
    assert together[-1] == AllReduce("bf16", gpus=gpus, elements=8 * 1024)
    assert len([one for one in together if isinstance(one, AllReduce)]) == 1


def test_kv_heads_that_are_fewer_than_the_gpus_are_computed_on_each() -> None:
    products = [one for one in placed("attention", "keep").operations(shared(8).decode) if isinstance(one, Gemm)]
    assert products[0].n == (16 // 8 + 2 * 1) * 64


def test_a_linear_sub_block_is_one_product_of_the_streams_width() -> None:
    alone = tuple(linear_operations(1024 * 1024, 1024, SCENARIO.decode))
    assert alone == (Gemm("bf16", m=8, n=1024, k=1024),)
    assert tuple(linear_operations(0, 1024, shared(2).decode)) == ()


def test_fp8_weights_leave_the_stream_at_bf16() -> None:
    work = SCENARIO.model_copy(update={"weights": "fp8", "tensor_parallel": 2}).decode
    operations = (*placed("attention", "keep").operations(work), *placed("ffn", "keep").operations(work))
    by_kind = {(one.kind, one.precision) for one in operations}
    assert by_kind == {
        ("gemm", "fp8"), ("elementwise", "bf16"), ("generation_attention", "bf16"), ("all_reduce", "bf16"),
    }  # fmt: skip


def test_a_norm_reads_and_writes_the_stream_and_its_sum() -> None:
    assert Norm(1024).parameters == 1024
    assert Norm(1024).operations(SCENARIO.decode) == (Elementwise("bf16", values=4 * 8 * 1024),)
    assert Norm(1024).operations(shared(8).decode) == Norm(1024).operations(SCENARIO.decode)


def test_an_embedding_copies_rows_and_is_added_up_where_it_is_split() -> None:
    embedding = Embedding(vocabulary=1000, hidden=1024)
    assert embedding.parameters == 1000 * 1024
    assert embedding.operations(SCENARIO.prefill) == (Elementwise("bf16", values=2 * 100 * 1024),)
    assert embedding.operations(shared(2).prefill)[-1] == AllReduce("bf16", gpus=2, elements=100 * 1024)


@pytest.mark.parametrize(("phase", "rows"), [("prefill", 1), ("decode", 8)])
def test_a_head_makes_the_logits_of_last_tokens_alone(phase: str, rows: int) -> None:
    head = Head(vocabulary=1000, hidden=1024, tied=False)
    assert head.operations(getattr(SCENARIO, phase)) == (Gemm("bf16", m=rows, n=1000, k=1024),)


def test_a_tied_head_has_no_weights_of_its_own_and_the_same_work() -> None:
    tied, untied = (Head(vocabulary=1000, hidden=1024, tied=tied) for tied in (True, False))
    assert (tied.parameters, untied.parameters) == (0, 1000 * 1024)
    assert tied.operations(SCENARIO.decode) == untied.operations(SCENARIO.decode)


def test_a_head_stays_at_bf16_and_gathers_its_shares() -> None:
    work = SCENARIO.model_copy(update={"weights": "fp8", "tensor_parallel": 4}).decode
    logits, gathered = Head(vocabulary=1000, hidden=1024, tied=False).operations(work)
    assert logits == Gemm("bf16", m=8, n=250, k=1024)
    each_sends = 8 * 1000 * 2 * 3 / 4  # all logits but its own share, in bf16
    assert gathered.bytes == each_sends
