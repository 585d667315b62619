"""What an accelerator does for a model, one kernel at a time: how much it computes, how much it moves.

Sizes are those of one GPU of a tensor-parallel group. `sized_by` and `varies_by` are the columns of a measured table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from blockwright.precision import ACTIVATIONS, BYTES, Precision


@dataclass(frozen=True)
class Operation(ABC):
    """One kernel; equal by value, so that equal ones are priced once. `precision` is that of what it reads."""

    kind: ClassVar[str]
    sized_by: ClassVar[tuple[str, ...]]
    varies_by: ClassVar[tuple[str, ...]] = ("precision",)
    over_link: ClassVar[bool] = False
    """True when its bytes travel between GPUs rather than between a GPU and its memory."""

    precision: Precision

    @property
    @abstractmethod
    def flops(self) -> float:
        """Floating-point operations, a multiplication and an addition counting as two."""

    @property
    @abstractmethod
    def bytes(self) -> float:
        """Read and written."""

    @property
    def computes_in(self) -> Precision:
        """The precision of its multiplications, which says what peak bounds them."""
        return self.precision

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in self.sized_by)

    @property
    def variety(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.varies_by)


@dataclass(frozen=True)
class Gemm(Operation):
    """y[m, n] = x[m, k] @ W[n, k]ᵀ; at fp8 the activations are quantised on the way in, which counts."""

    kind = "gemm"
    sized_by = ("m", "n", "k")
    m: int
    n: int
    k: int

    @property
    def flops(self) -> float:
        return 2.0 * self.m * self.n * self.k

    @property
    def bytes(self) -> float:
        weight, stream = BYTES[self.precision], BYTES[ACTIVATIONS[self.precision]]
        quantised = 2.0 * self.m * self.k * weight if self.precision == "fp8" else 0.0  # written once, read once
        return float(weight * self.n * self.k + stream * self.m * (self.k + self.n)) + quantised


@dataclass(frozen=True)
class _Attention(Operation):
    varies_by = ("precision", "head_dim")
    batch: int
    heads: int
    kv_heads: int
    head_dim: int

    @property
    def computes_in(self) -> Precision:
        return ACTIVATIONS[self.precision]


@dataclass(frozen=True)
class ContextAttention(_Attention):
    """Causal attention of whole prompts, `tokens` each, with nothing in the cache before them."""

    kind = "context_attention"
    sized_by = ("batch", "tokens", "heads", "kv_heads")
    tokens: int

    @property
    def flops(self) -> float:
        return 2.0 * self.batch * self.heads * self.tokens * (self.tokens + 1) * self.head_dim

    @property
    def bytes(self) -> float:
        stream = BYTES[self.computes_in]
        per_token = 2 * self.heads * stream + 2 * self.kv_heads * (stream + BYTES[self.precision])
        return float(self.batch * self.tokens * self.head_dim * per_token)


@dataclass(frozen=True)
class GenerationAttention(_Attention):
    """One new token of each sequence attends to `kv_tokens` in the cache, itself included."""

    kind = "generation_attention"
    sized_by = ("batch", "kv_tokens", "heads", "kv_heads")
    kv_tokens: int

    @property
    def flops(self) -> float:
        return 4.0 * self.batch * self.heads * self.kv_tokens * self.head_dim

    @property
    def bytes(self) -> float:
        cache = 2 * self.kv_tokens * self.kv_heads * BYTES[self.precision]
        return float(self.batch * self.head_dim * (cache + 2 * self.heads * BYTES[self.computes_in]))


@dataclass(frozen=True)
class AllReduce(Operation):
    """The sum of `elements` numbers over all GPUs of a tensor-parallel group, each of which ends with all of it."""

    kind = "all_reduce"
    sized_by = ("gpus", "elements")
    over_link = True
    gpus: int
    elements: int

    @property
    def flops(self) -> float:
        return 0.0

    @property
    def bytes(self) -> float:
        """Sent by each GPU: a ring's reduce-scatter and all-gather."""
        return 2.0 * self.elements * BYTES[self.precision] * (self.gpus - 1) / self.gpus


@dataclass(frozen=True)
class Elementwise(Operation):
    """Norms, rotary embeddings, activations, gathers: `values` numbers read or written, next to no arithmetic."""

    kind = "elementwise"
    sized_by = ("values",)
    values: int

    @property
    def flops(self) -> float:
        return 0.0

    @property
    def bytes(self) -> float:
        return float(self.values * BYTES[self.precision])


KINDS: Mapping[str, type[Operation]] = {
    operation.kind: operation for operation in (Gemm, ContextAttention, GenerationAttention, AllReduce, Elementwise)
}
