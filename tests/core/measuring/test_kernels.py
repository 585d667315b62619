"""Operations as torch runs them."""

from __future__ import annotations

import pytest
import torch

from blockwright.hardware.operations import (
    AllReduce,
    ContextAttention,
    Elementwise,
    Gemm,
    GenerationAttention,
    Operation,
)
from blockwright.measuring.kernels import COPIES, MOST_COPIES, bytes_held, grid, job_of

HEADS = {"heads": 4, "kv_heads": 2, "head_dim": 8}


@pytest.mark.parametrize(
    "operation",
    [
        Gemm("fp32", m=3, n=16, k=8),
        ContextAttention("fp32", batch=2, tokens=5, **HEADS),
        GenerationAttention("fp32", batch=2, kv_tokens=7, **HEADS),
        Elementwise("fp32", values=33),
    ],
)
def test_every_kernel_of_one_machine_runs_on_many_copies(operation: Operation) -> None:
    job = job_of(operation, "cpu", torch.float32)
    job.run()
    assert job.calls == MOST_COPIES  # they are small


def test_large_weights_still_have_six_copies() -> None:
    large = Gemm("fp32", m=1, n=4096, k=4096)
    assert bytes_held(large) == COPIES * large.bytes


def test_an_all_reduce_needs_more_than_one_machine() -> None:
    with pytest.raises(ValueError, match="all_reduce cannot be measured on one machine alone"):
        job_of(AllReduce("bf16", gpus=2, elements=8), "cpu", torch.float32)


def test_the_grid_holds_all_kinds_once_each_and_nothing_larger_than_asked() -> None:
    operations = list(grid("fp32", 512))
    assert len(set(operations)) == len(operations)
    assert {type(one) for one in operations} == {Gemm, ContextAttention, GenerationAttention, Elementwise}
    assert max(max(one.m, one.n, one.k) for one in operations if isinstance(one, Gemm)) == 512
