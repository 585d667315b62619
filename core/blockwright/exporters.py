"""Exporters: child checkpoint -> what one serving engine reads; the contract, and the values that it speaks in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig
    from blockwright.models.stack import LayerStack


class ExporterOptions(BaseModel):
    """Base of an exporter's section in the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class ChildLayer:
    """What an engine must know of one layer; a kind is None where the sub-block is skipped, `standard` if not replaced.

    `kv_heads` is 0 without a KV cache of the standard kind, `width` 0 without a gated FFN. `window` is None where
    attention sees everything before it.
    """

    index: int
    attention: str | None = "standard"
    kv_heads: int = 0
    window: int | None = None
    ffn: str | None = "standard"
    width: int = 0


@dataclass(frozen=True)
class ExportContext:
    """The child's folder, the empty folder to write into, and the path that this one has when it is finished."""

    child: Path
    directory: Path
    destination: Path

    def stack(self) -> LayerStack:
        """The child, read one tensor or one layer at a time."""
        from blockwright.child.checkpoint import open_child

        return open_child(self.child)


@dataclass(frozen=True)
class Exported:
    """The exact command that serves what was written, and what its user should know."""

    command: str
    notes: tuple[str, ...] = ()


class Exporter(ABC):
    """Writes children for one engine, made with its options from the recipe.

    What it cannot write exactly it refuses, with the reason: one line each, without the child's name. The same answers
    keep such variants out of the search of a recipe that asks for this export.
    """

    name: ClassVar[str]
    Options: ClassVar[type[ExporterOptions]] = ExporterOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries, each so small that a tiny model takes seconds."""

    def __init__(self, options: ExporterOptions) -> None:
        self.options = options

    def refuses(self, config: BlockwrightConfig) -> Iterable[str]:
        """Why a model cannot be written, whatever its single layers are: its biases, positions, layers taken together.

        Asked of the parent's config before a search, where every refusal is a mistake of the recipe.
        """
        return ()

    def refuses_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        """Why such a layer cannot be written. Variants that make one are left out of the search."""
        return ()

    def avoids_layer(self, layer: ChildLayer, config: BlockwrightConfig) -> Iterable[str]:
        """Why such a layer costs more in this engine than it is worth; it can be written, but is not searched for."""
        return ()

    @abstractmethod
    def export(self, context: ExportContext) -> Exported:
        """Writes all files into `context.directory`, one tensor in memory at a time; the model card is not its task."""
