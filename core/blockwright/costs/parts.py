"""The operations of a model's parts, on one of the GPUs that share it (Megatron's split, arXiv 1909.08053, section 3).

Standard attention and FFN are here for the variants that are one of them; embedding, norms and head for every model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from blockwright.costs.scenario import Work
from blockwright.hardware.operations import AllReduce, Elementwise, Gemm, Operation
from blockwright.variants import BlockVariant, Slot, SubBlockShape, VariantSpec


@dataclass(frozen=True)
class PlacedVariant:
    """A variant on a parent's sub-block: all that its cost depends on. The norm before it is apart."""

    variant: BlockVariant
    spec: VariantSpec
    shape: SubBlockShape

    @classmethod
    def of(
        cls, spec: VariantSpec, shape: SubBlockShape, variants: Mapping[tuple[Slot, str], BlockVariant]
    ) -> PlacedVariant:
        """With its kind looked up among all that are installed."""
        return cls(variants[spec.slot, spec.kind], spec, shape)

    @property
    def parameters(self) -> int:
        """The norm's included."""
        return self.variant.parameters(self.spec, self.shape)

    @property
    def kv_values_per_token(self) -> int:
        return self.variant.kv_values_per_token(self.spec, self.shape)

    def cached_values(self, tokens: int) -> int:
        """Of a sequence of so many tokens."""
        return self.variant.cached_values(self.spec, self.shape, tokens)

    def operations(self, work: Work) -> tuple[Operation, ...]:
        return tuple(self.variant.operations(self.spec, self.shape, work))


@dataclass(frozen=True)
class Norm:
    """A norm, fused with the addition to the stream before it, as engines have it."""

    hidden: int

    @property
    def parameters(self) -> int:
        return self.hidden

    def operations(self, work: Work) -> tuple[Operation, ...]:
        return (Elementwise(work.stream, values=4 * work.rows * self.hidden),)


@dataclass(frozen=True)
class Embedding:
    """One row of a matrix for each token; split by vocabulary, so that the GPUs must add up what they found."""

    vocabulary: int
    hidden: int

    @property
    def parameters(self) -> int:
        return self.vocabulary * self.hidden

    def operations(self, work: Work) -> tuple[Operation, ...]:
        return (Elementwise(work.stream, values=2 * work.rows * self.hidden), *all_reduced(work, self.hidden))


@dataclass(frozen=True)
class Head:
    """The logits of each sequence's last token. A tied one has no weights of its own, and reads the embedding's."""

    vocabulary: int
    hidden: int
    tied: bool

    @property
    def parameters(self) -> int:
        return 0 if self.tied else self.vocabulary * self.hidden

    def operations(self, work: Work) -> tuple[Operation, ...]:
        logits = Gemm(work.stream, m=work.sequences, n=work.share(self.vocabulary), k=self.hidden)
        # gathering the shares of the logits takes half of what adding up as many would
        gathered = AllReduce(work.stream, gpus=work.gpus, elements=-(-work.sequences * self.vocabulary // 2))
        return (logits, gathered) if work.gpus > 1 else (logits,)


Part = PlacedVariant | Norm | Embedding | Head


def attention_operations(shape: SubBlockShape, kv_heads: int, work: Work) -> Iterator[Operation]:
    """Softmax attention of all query heads over `kv_heads`; queries, keys and values in one product."""
    head_dim, rows = shape.head_dim, work.rows
    queries, keys = work.share(shape.attention_heads), work.share(kv_heads)
    attended = work.attention(shape.attention_heads, kv_heads, head_dim)
    yield Gemm(work.weights, m=rows, n=(queries + 2 * keys) * head_dim, k=shape.hidden_size)
    yield Elementwise(work.stream, values=2 * rows * (queries + 2 * keys) * head_dim)  # rotation, writing the cache
    if shape.qk_norm:
        yield Elementwise(work.stream, values=2 * rows * (queries + keys) * head_dim)
    yield attended
    yield Gemm(work.weights, m=rows, n=shape.hidden_size, k=queries * head_dim)
    yield from all_reduced(work, shape.hidden_size)


def ffn_operations(shape: SubBlockShape, width: int, work: Work) -> Iterator[Operation]:
    """A gated FFN of `width` channels; gate and up in one product."""
    share, rows = work.share(width), work.rows
    yield Gemm(work.weights, m=rows, n=2 * share, k=shape.hidden_size)
    yield Elementwise(work.stream, values=3 * rows * share)
    yield Gemm(work.weights, m=rows, n=shape.hidden_size, k=share)
    yield from all_reduced(work, shape.hidden_size)


def linear_operations(parameters: int, hidden: int, work: Work) -> Iterator[Operation]:
    """Matrix products of so many weights in all, on the stream; what is known of any sub-block."""
    if parameters > 0:
        yield Gemm(work.weights, m=work.rows, n=-(-parameters // hidden), k=work.share(hidden))
        yield from all_reduced(work, hidden)


def all_reduced(work: Work, hidden: int) -> Iterator[Operation]:
    """The sum of what the GPUs have of the stream, where there are several."""
    if work.gpus > 1:
        yield AllReduce(work.stream, gpus=work.gpus, elements=work.rows * hidden)
