"""Block variants: what may stand in place of one sub-block, as values and as the contract for plugins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch

    from blockwright.construction import LibrarySettings, SubBlockContext
    from blockwright.costs.scenario import Work
    from blockwright.hardware.operations import Operation

Slot = Literal["attention", "ffn"]
SLOTS: tuple[Slot, ...] = ("attention", "ffn")  # in the order that data takes
Scalar = str | int | float | bool
MODULE_NAMES: Mapping[Slot, str] = {"attention": "self_attn", "ffn": "mlp"}  # as HF checkpoints name them
NORM_NAMES: Mapping[Slot, str] = {"attention": "input_layernorm", "ffn": "post_attention_layernorm"}
OUTPUT_PROJECTIONS: Mapping[Slot, str] = {"attention": "o_proj", "ffn": "down_proj"}  # of the parent's own modules


@dataclass(frozen=True, order=True)
class SubBlock:
    """The address of one sub-block: `attention.3`, `ffn.3`."""

    layer: int
    slot: Slot

    def __str__(self) -> str:
        return f"{self.slot}.{self.layer}"

    @classmethod
    def parse(cls, text: str) -> SubBlock:
        """The inverse of `str`; raises ValueError on anything else."""
        slot, _, layer = text.partition(".")
        if slot == "attention":
            return cls(int(layer), "attention")
        if slot == "ffn":
            return cls(int(layer), "ffn")
        raise ValueError(f"'{text}' is no sub-block; one is written like attention.3 or ffn.3")


@dataclass(frozen=True)
class SubBlockShape:
    """Sizes of the parent's sub-block that a variant replaces."""

    slot: Slot
    hidden_size: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    ffn_width: int
    qkv_bias: bool = False
    output_bias: bool = False
    ffn_bias: bool = False
    qk_norm: bool = False


@dataclass(frozen=True, order=True)
class VariantSpec:
    """One concrete variant, such as `keep`, `kv_heads=1` or `narrow=768`; hashable, and named by its label."""

    slot: Slot
    kind: str
    options: tuple[tuple[str, Scalar], ...] = ()

    @property
    def label(self) -> str:
        if not self.options:
            return self.kind
        if len(self.options) == 1:
            return f"{self.kind}={self.options[0][1]}"
        return f"{self.kind}({','.join(f'{name}={value}' for name, value in self.options)})"

    def option(self, name: str) -> Scalar:
        """The value of one option; KeyError when the variant has none of that name."""
        return dict(self.options)[name]

    def to_dict(self) -> dict[str, object]:
        return {"slot": self.slot, "kind": self.kind, "options": dict(self.options)}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> VariantSpec:
        options = data.get("options") or {}
        assert isinstance(options, Mapping)
        return cls(data["slot"], str(data["kind"]), tuple(options.items()))  # type: ignore[arg-type]


class VariantOptions(BaseModel):
    """Base of a variant's YAML options: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantError(ValueError):
    """A variant that this parent's sub-block cannot take; the message says why and what it could take."""


@dataclass(frozen=True)
class ParentRows:
    """A weight that is rows (or columns) of the parent's own, so that the library stores only the index.

    `tensor` is the parent's name inside the sub-block (`gate_proj.weight`), `index` the chosen rows of dimension
    `dim`, int64 of shape (kept,).
    """

    tensor: str
    index: torch.Tensor
    dim: int = 0


Weights = Mapping[str, "torch.Tensor | ParentRows"]  # by name inside the sub-block, e.g. "down_proj.weight"


class BlockVariant(ABC):
    """One kind of replacement for a sub-block. Stateless; the engine makes one instance of each class.

    `kind` is the word in the search space. A YAML entry is the bare word (`skip`), the word with its main option
    (`narrow: 50%`) or with all its options (`sliding: {window: 512}`).
    """

    slot: ClassVar[Slot]
    kind: ClassVar[str]
    Options: ClassVar[type[VariantOptions]] = VariantOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries on a tiny model."""
    main_option: ClassVar[str | None] = None
    reads_inputs: ClassVar[bool] = False
    """True when `build` runs modules over `context.batches()`; such kinds cost one more pass over the text."""
    module: ClassVar[tuple[str, str] | None] = None
    """(file, class) of a self-contained torch module for a kind that the child class does not know; the file is
    copied into the checkpoint. The class takes (layer_config, layer_idx) and adds nothing to the residual itself.
    An attention that keeps a state in place of keys and values says `attention_is_recurrent: True` in its layer config;
    its `attention_mask` is then the mask of padding, (batch, tokens seen and new), or None."""

    @abstractmethod
    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        """The concrete variant on this sub-block (50% becomes a width); raises VariantError where it cannot be."""

    @abstractmethod
    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        """Number of weights, the sub-block's own norm included."""

    def kv_values_per_token(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        """Number of values that one token leaves in the KV cache."""
        return 0

    def cached_values(self, spec: VariantSpec, shape: SubBlockShape, tokens: int) -> int:
        """Number of values that a sequence of so many tokens leaves in its cache, which is what limits a batch.

        By default `kv_values_per_token` for each of them; less where only a window or a state of a fixed size is kept.
        """
        return tokens * self.kv_values_per_token(spec, shape)

    def operations(self, spec: VariantSpec, shape: SubBlockShape, work: Work) -> Iterable[Operation]:
        """What one GPU does in a step, without the norm before it; by default the matrix products of all weights."""
        from blockwright.costs.parts import linear_operations

        alone = self.parameters(spec, shape) - shape.hidden_size
        return linear_operations(alone, shape.hidden_size, work)

    def solving_operations(
        self, specs: Sequence[VariantSpec], shape: SubBlockShape, settings: LibrarySettings
    ) -> float:
        """Float64 operations that `build` solves these variants of one sub-block with, for estimates of time.

        Passes over the text are not among them. 0 by default, for weights that are copied.
        """
        return 0.0

    def trainable(self, names: Sequence[str]) -> Sequence[str]:
        """Which of its weights, by their names inside the sub-block, block distillation may train; all by default."""
        return names

    @abstractmethod
    def layer_config(self, spec: VariantSpec, shape: SubBlockShape) -> dict[str, object]:
        """Its overrides in the child's `per_layer_config`."""

    @abstractmethod
    def build(self, specs: Sequence[VariantSpec], context: SubBlockContext) -> Mapping[VariantSpec, Weights]:
        """Weights of all of this kind's variants of one sub-block, so that what they share is computed once."""
