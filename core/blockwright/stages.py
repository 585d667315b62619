"""Stages: child checkpoint -> better child checkpoint; the contract for healing and post-training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.parent import Parent


class StageOptions(BaseModel):
    """Base of a stage's section in the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class StageContext:
    """What a stage may read: the parent, the child's folder, token sets by name (sequences, seq), and where it writes.

    `tokens` holds `calibration`, `scoring` and `heldback`; evaluation text is never given to a stage.
    """

    parent: Parent
    child: Path
    tokens: Mapping[str, Tensor]
    directory: Path
    seed: int


@dataclass(frozen=True)
class StageResult:
    """The folder of the child to go on with (the given one when nothing paid) and figures for the report."""

    child: Path
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Stage(ABC):
    """One step of healing or post-training, made with its options from the recipe."""

    name: ClassVar[str]
    Options: ClassVar[type[StageOptions]] = StageOptions

    def __init__(self, options: StageOptions) -> None:
        self.options = options

    @abstractmethod
    def run(self, context: StageContext) -> StageResult:
        """Writes the new child under `context.directory`; safe to call again after a kill."""
