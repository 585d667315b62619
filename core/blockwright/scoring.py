"""Scores: the quality lost by one replacement, in nats per token; the contract for scorers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.child.assembly import Variants
    from blockwright.library import Library
    from blockwright.parent import Parent

Scores = Mapping[str, float]  # by variant label, in nats per token
Piece = Mapping[str, "Tensor"]  # what a walk along the parent saw at one sub-block


class ScorerOptions(BaseModel):
    """Base of the recipe's `scorer` section."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class ScoreContext:
    """What a scorer may read: the parent, the library, tokens (sequences, seq) unseen by the library, a scratch folder.

    `scored` holds the sub-blocks whose scores a killed run has stored; a scorer passes over them.
    """

    parent: Parent
    library: Library
    variants: Variants
    tokens: Tensor
    directory: Path
    seed: int
    scored: frozenset[SubBlock] = frozenset()


@dataclass(frozen=True)
class ScoresOrigin:
    """Where a run's scores come from, kept beside them."""

    scorer: str
    in_nats: bool = True
    guessed: bool = False
    from_base: bool = False
    """Whether they are losses against the healed child that an iterated search goes on from."""

    @property
    def words(self) -> str:
        """What a sum of them is called."""
        if self.guessed:
            return f"invented by the scorer '{self.scorer}', nothing is measured"
        if self.from_base and self.in_nats:
            return "nats per token against the healed child of the iteration before"
        return "nats per token" if self.in_nats else f"in the unit of '{self.scorer}', which is no nats"


class Scorer(ABC):
    """Scores every variant of the library, one sub-block at a time, so that a kill loses one sub-block's work."""

    name: ClassVar[str]
    Options: ClassVar[type[ScorerOptions]] = ScorerOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries, each so small that a tiny model takes seconds."""
    in_nats: ClassVar[bool] = True
    """False where scores are in a unit of their own: they rank, and their sum predicts no loss."""
    needs_weights: ClassVar[bool] = True
    """False where names and sizes are enough: it reads neither weights nor tokens, and serves dry runs too."""
    guesses: ClassVar[bool] = False
    """True where nothing is measured: whatever shows its scores says so."""

    def __init__(self, options: ScorerOptions) -> None:
        self.options = options

    @abstractmethod
    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        """Yields each sub-block once, in any order, with a score for every variant in the library (`keep` is 0)."""


class PiecewiseScorer(Scorer):
    """A scorer that walks along the parent, and prices each sub-block from what the walk saw there alone.

    So the pieces can be priced by the workers of an executor, while the walk goes on.
    """

    @abstractmethod
    def walk(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Piece]]:
        """Yields each sub-block that is not in `context.scored` once, in any order, with what its price depends on."""

    @abstractmethod
    def price(self, context: ScoreContext, sub_block: SubBlock, piece: Piece) -> Scores:
        """A score for every variant in the library (`keep` is 0), by nothing but the context and the piece."""

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        for sub_block, piece in self.walk(context):
            yield sub_block, self.price(context, sub_block, piece)
