"""Transforms: graph -> graph and child -> child, after the search and before the stages; the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.graph.block_graph import BlockGraph
    from blockwright.models.stack import LayerStack
    from blockwright.problem import Joined


class TransformOptions(BaseModel):
    """Base of a transform's section in the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class TransformContext:
    """The child, read a layer at a time, its block graph, and token sets by name, each (sequences, seq).

    `tokens` holds `calibration`, `scoring` and `heldback`; the last one judges the transform. What a killed run should
    find again is kept in `directory`. `joined` has the FFNs that the search has chosen to join, pair by pair.
    """

    child: LayerStack
    graph: BlockGraph
    tokens: Mapping[str, Tensor]
    directory: Path
    seed: int
    joined: Joined = ()


@dataclass(frozen=True)
class JoinLimits:
    """What a transform can make of FFNs that the search chooses to join: `max_width` channels in one at most;
    `exclude_last` leaves the last FFN of a run as it is; `leading` lets in the FFN of a layer with attention."""

    max_width: int | None = None
    exclude_last: bool = True
    leading: bool = True


@dataclass(frozen=True)
class DependencyTable:
    """How much parts lean on each other: `values[i][j]` of two parts, 0 for none, for i before j."""

    parts: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Transformed:
    """The new graph and the new child, whose weights may still be unread; both are the given ones if nothing changed.

    `joined` names the parts that were made one (`ffn.3`, `ffn.4`) or set side by side (`layer.3`, `layer.4`), for the
    report and the picture; `dependencies` are drawn as heat maps.
    """

    graph: BlockGraph
    child: LayerStack
    joined: tuple[tuple[str, ...], ...] = ()
    dependencies: tuple[DependencyTable, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Transform(ABC):
    """One change of a whole child's shape, made with its options from the recipe."""

    name: ClassVar[str]
    Options: ClassVar[type[TransformOptions]] = TransformOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries, each so small that a tiny model takes seconds."""

    def __init__(self, options: TransformOptions) -> None:
        self.options = options

    @property
    def join_limits(self) -> JoinLimits | None:
        """Where it makes the joins of FFNs that the search chooses: which it can make. None where it makes none."""
        return None

    @abstractmethod
    def apply(self, context: TransformContext) -> Transformed:
        """The transformed child and its graph, which must describe each other. The given child stays as it is.

        UserError, one line, for a child that the transform cannot take.
        """
