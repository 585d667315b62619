"""Stages: child checkpoint -> better child checkpoint; the contract for healing and post-training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from blockwright.text.overlap import Overlap

if TYPE_CHECKING:
    from torch import Tensor

    from blockwright.parent import Parent
    from blockwright.text.corpus import Corpus, CorpusSettings
    from blockwright.text.mixture import Source


class StageOptions(BaseModel):
    """Base of a stage's section in the recipe.

    Options in `without_effect` say how the stage works, not what comes out: a run goes on where they change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    without_effect: ClassVar[frozenset[str]] = frozenset()

    def fingerprint(self) -> object:
        """What else the result depends on, as JSON has it: files that options name, by size and time of change."""
        return None


@dataclass(frozen=True)
class StageText:
    """The recipe's calibration sources and sequence length, and what text a stage must not train on."""

    sources: tuple[Source, ...] = ()
    sequence_length: int = 512
    unwanted: Callable[[], Overlap] = lambda: Overlap(())


@dataclass(frozen=True)
class StageContext:
    """What a stage may read: the parent, the child's folder, token sets by name (sequences, seq), and where it writes.

    `tokens` holds `calibration`, `scoring` and `heldback`; evaluation text is never given to a stage. `text` is what
    `corpus` makes training text of.
    """

    parent: Parent
    child: Path
    tokens: Mapping[str, Tensor]
    directory: Path
    seed: int
    text: StageText = StageText()

    def corpus(self, settings: CorpusSettings) -> Corpus:
        """Packed text to train on, made once in the stage's directory.

        What the settings leave out is the recipe's. No sequence shares 13 words in a row with the evaluation, nor 48
        with `scoring` and `heldback`, which decide what is kept.
        """
        from blockwright.text.corpus import make_corpus

        completed = settings.completed(self.text.sources, self.text.sequence_length)
        folder = self.directory / "corpus"
        return make_corpus(completed, self.parent.tokenizer(), self.seed, folder, self.text.unwanted())


Curve = Sequence[tuple[int, float]]  # (step, value), steps rising


@dataclass(frozen=True)
class ShownReply:
    """One reply of the child to read in the report: when it was written, to what, and what it was worth by each reward.

    `moment` is like `step 12, thinking on`.
    """

    moment: str
    prompt: str
    reply: str
    rewards: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StageResult:
    """The folder of the child to go on with (the given one when nothing paid) and what the report shows.

    `curves` by name, like `loss (nats per token)`: the brackets hold the unit, curves of one unit share a chart. One
    that is called `held-back …` is drawn through its points, others, which are noisy, as a smooth line among theirs.
    """

    child: Path
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    replies: Sequence[ShownReply] = ()


class Stage(ABC):
    """One step of healing or post-training, made with its options from the recipe."""

    name: ClassVar[str]
    Options: ClassVar[type[StageOptions]] = StageOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries, each so small that a tiny model takes seconds."""
    heals: ClassVar[bool] = False
    """True where it brings a child back towards its parent: what an iterated search does after each of its steps."""

    def __init__(self, options: StageOptions) -> None:
        self.options = options

    @abstractmethod
    def run(self, context: StageContext) -> StageResult:
        """Writes the new child under `context.directory`; safe to call again after a kill."""
