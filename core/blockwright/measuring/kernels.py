"""Operations as jobs that torch runs, each on at least six copies of its weights or caches, so that none stays warm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from blockwright.hardware.operations import ContextAttention, Elementwise, Gemm, GenerationAttention, Operation
from blockwright.measuring.timers import Job
from blockwright.precision import Precision

if TYPE_CHECKING:
    import torch

COPIES, ROTATED_BYTES, MOST_COPIES = 6, 64 * 2**20, 64


def job_of(operation: Operation, device: str, dtype: torch.dtype) -> Job:
    """ValueError for what a single machine cannot run, such as an all-reduce."""
    copies = _copies(operation)
    calls = [_call(operation, device, dtype) for _ in range(copies)]

    def run() -> None:
        for call in calls:
            call()

    return Job(run, copies)


def _copies(operation: Operation) -> int:
    return min(max(COPIES, round(ROTATED_BYTES / operation.bytes)), MOST_COPIES)


def bytes_held(operation: Operation) -> float:
    """Memory that its job takes, at most."""
    return _copies(operation) * operation.bytes


def _call(operation: Operation, device: str, dtype: torch.dtype) -> Callable[[], object]:
    import torch
    from torch.nn import functional

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device, dtype=dtype)

    match operation:
        case Gemm(m=m, n=n, k=k):
            x, weight = random(m, k), random(n, k)
            return lambda: functional.linear(x, weight)
        case ContextAttention() | GenerationAttention():
            attended = _attended(operation, random)
            causal = isinstance(operation, ContextAttention)
            return lambda: functional.scaled_dot_product_attention(*attended, is_causal=causal, enable_gqa=True)
        case Elementwise(values=values):
            x, y = random(-(-values // 2)), random(-(-values // 2))
            return lambda: torch.mul(x, 2.0, out=y)
    raise ValueError(f"{operation.kind} cannot be measured on one machine alone")


def _attended(
    operation: ContextAttention | GenerationAttention, random: Callable[..., torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values, each (batch, heads, tokens, head_dim)."""
    if isinstance(operation, ContextAttention):
        new = seen = operation.tokens
    else:
        new, seen = 1, operation.kv_tokens
    keys = (operation.batch, operation.kv_heads, seen, operation.head_dim)
    return random(operation.batch, operation.heads, new, operation.head_dim), random(*keys), random(*keys)


def grid(precision: Precision, largest: int) -> Iterator[Operation]:
    """What is measured of a machine: products with sides up to `largest`, attention and element-wise work."""
    sizes = [size for size in (64, 128, 256, 512, 1024, 1536, 2048, 4096, 8192) if size <= largest]
    rows = [count for count in (1, 2, 4, 8, 16, 64, 256, 1024) if count <= largest]
    for at, n in enumerate(sizes):
        for k in sizes[at % 2 :: 2] if n < largest else sizes:
            yield from (Gemm(precision, m=m, n=n, k=k) for m in rows)
    for tokens in (32, 64, 256, 1024):
        if tokens <= largest:
            yield from _attentions(precision, tokens)
    for values in (2**8, 2**10, 2**11, 2**13, 2**16, 2**19, 2**22):
        if values <= largest**2:
            yield from (Elementwise(precision, values=values * scale) for scale in (1, 3))


def _attentions(precision: Precision, tokens: int) -> Iterator[Operation]:
    for heads, kv_heads in ((4, 2), (9, 3), (16, 4), (16, 16)):
        sizes_of_heads = {"heads": heads, "kv_heads": kv_heads, "head_dim": 64}
        yield ContextAttention(precision, batch=1, tokens=tokens, **sizes_of_heads)
        for batch in (1, 4, 16):
            yield GenerationAttention(precision, batch=batch, kv_tokens=tokens, **sizes_of_heads)
