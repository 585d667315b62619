"""An operation counts the arithmetic and the bytes of its kernel, as they can be counted by hand."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from blockwright.hardware.operations import (
    KINDS,
    AllReduce,
    ContextAttention,
    Elementwise,
    Gemm,
    GenerationAttention,
    Operation,
)

ONE_OF_EACH: tuple[Operation, ...] = (
    Gemm("bf16", m=3, n=5, k=7),
    ContextAttention("bf16", batch=2, heads=4, kv_heads=2, head_dim=8, tokens=3),
    GenerationAttention("bf16", batch=2, heads=4, kv_heads=2, head_dim=8, kv_tokens=10),
    AllReduce("bf16", gpus=4, elements=100),
    Elementwise("bf16", values=10),
)


def test_every_kind_is_found_by_its_name() -> None:
    assert {operation.kind: type(operation) for operation in ONE_OF_EACH} == dict(KINDS)


@pytest.mark.parametrize(
    ("precision", "bytes_moved"),
    [
        ("bf16", 2 * (5 * 7 + 3 * 7 + 3 * 5)),
        ("fp32", 4 * (5 * 7 + 3 * 7 + 3 * 5)),
        ("fp8", 5 * 7 + 2 * (3 * 7 + 3 * 5) + 2 * 3 * 7),  # bf16 in and out, quantised rows written and read again
    ],
)
def test_a_product_reads_its_matrices_and_writes_its_rows(precision: str, bytes_moved: int) -> None:
    product = Gemm(precision, m=3, n=5, k=7)  # type: ignore[arg-type]
    assert product.flops == 2 * 3 * 5 * 7
    assert product.bytes == bytes_moved


def test_causal_attention_computes_half_of_the_square_and_its_diagonal() -> None:
    attention = ContextAttention("bf16", batch=2, heads=4, kv_heads=2, head_dim=8, tokens=3)
    pairs = 1 + 2 + 3  # of a query and a key that it may see
    assert attention.flops == 2 * 4 * pairs * 8 * (2 + 2)  # of QKᵀ and of the sum over V
    queries_and_outputs, keys_and_values = 2 * 4, 2 * 2
    read_and_cached = 2  # keys and values are read, and written into the cache
    assert attention.bytes == 2 * 3 * 8 * 2 * (queries_and_outputs + keys_and_values * read_and_cached)


def test_generation_reads_the_whole_cache_once_for_each_kv_head() -> None:
    attention = GenerationAttention("bf16", batch=2, heads=4, kv_heads=2, head_dim=8, kv_tokens=10)
    cache = 2 * 10 * 2 * 8 * 2 * 2  # sequences, tokens, KV heads, head_dim, keys and values, bytes
    assert attention.bytes == cache + 2 * 4 * 8 * 2 * 2  # one query and one output of each head
    assert attention.flops == 2 * 4 * 10 * 8 * (2 + 2)


def test_a_cache_at_fp8_is_half_as_large_and_computed_in_bf16() -> None:
    def generation(precision: str, kv_tokens: int) -> GenerationAttention:
        return GenerationAttention(precision, batch=1, heads=4, kv_heads=2, head_dim=8, kv_tokens=kv_tokens)  # type: ignore[arg-type]

    wide, narrow = (generation(p, 101).bytes - generation(p, 1).bytes for p in ("bf16", "fp8"))
    assert wide == 2 * narrow
    assert generation("fp8", 1).computes_in == "bf16"
    assert Gemm("fp8", m=1, n=1, k=1).computes_in == "fp8"


@pytest.mark.parametrize(("gpus", "share"), [(2, 1 / 2), (4, 3 / 4), (8, 7 / 8)])
def test_an_all_reduce_sends_what_a_ring_sends(gpus: int, share: float) -> None:
    reduced = AllReduce("bf16", gpus=gpus, elements=1024)
    assert reduced.bytes == 2 * share * 1024 * 2
    assert reduced.over_link
    assert not any(operation.over_link for operation in ONE_OF_EACH if operation.kind != "all_reduce")


def test_what_computes_next_to_nothing_counts_its_bytes_alone() -> None:
    assert (Elementwise("fp32", values=10).flops, Elementwise("fp32", values=10).bytes) == (0, 40)
    assert AllReduce("bf16", gpus=2, elements=10).flops == 0


@pytest.mark.parametrize("operation", ONE_OF_EACH, ids=lambda operation: operation.kind)
def test_an_operation_is_its_variety_and_its_sizes(operation: Operation) -> None:
    named = dict(zip((*operation.varies_by, *operation.sized_by), (*operation.variety, *operation.sizes), strict=True))
    again = type(operation)(**named)  # type: ignore[arg-type]
    assert again == operation
    assert hash(again) == hash(operation)
    with pytest.raises(FrozenInstanceError):
        operation.precision = "fp32"  # type: ignore[misc]


def test_operations_of_other_sizes_or_kinds_are_others() -> None:
    assert Gemm("bf16", 1, 2, 3) != Gemm("bf16", 2, 1, 3)
    assert Gemm("bf16", 1, 2, 3) != Gemm("fp8", 1, 2, 3)
    assert len(set(ONE_OF_EACH)) == len(ONE_OF_EACH)
