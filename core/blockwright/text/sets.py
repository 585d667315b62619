"""The text that a run learns from and is judged by: read from sources, cut into token sequences, kept apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.text.mixture import Source, furthest_behind, weights_of
from blockwright.text.overlap import Overlap
from blockwright.text.sequences import decoded, sequences

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

Sources = Annotated[tuple[Source, ...], Field(min_length=1)]
Tokens = list[int]  # one sequence of `sequence_length` tokens


class TextSettings(BaseModel):
    """The recipe's `text` section: sources by name, or as `{source: NAME, weight: W}`, and how many tokens of each set.

    `calibration` sources feed three sets that share no sequence: calibration (what the library is fitted to),
    scoring and heldback (what the library has not seen). `evaluation` sources feed the evaluation only, whose draw
    has a seed of its own: runs with different seeds are judged on the same text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    calibration: Sources
    evaluation: Sources
    sequence_length: int = Field(default=512, ge=8)
    calibration_tokens: PositiveInt = 65536
    scoring_tokens: PositiveInt = 4096
    heldback_tokens: PositiveInt = 8192
    evaluation_tokens: PositiveInt = 8192
    evaluation_seed: NonNegativeInt = 0

    def sequences_of(self, tokens: int) -> int:
        """How many whole sequences hold at least that many tokens."""
        return -(-tokens // self.sequence_length)


def load_tokens(settings: TextSettings, tokenizer: PreTrainedTokenizerBase, seed: int) -> dict[str, Tensor]:
    """The sets calibration, scoring, heldback and evaluation, each int64 (sequences, seq); the same for the same seed.

    Calibration sequences that share a run of 13 words with the evaluation are left out. UserError where a source
    cannot be read, or where there is too little text.
    """
    import torch

    reader = _Reader(settings, tokenizer, seed)
    evaluation = reader.evaluation()
    sets = {**reader.training(evaluation), "evaluation": evaluation}
    return {name: torch.tensor(rows, dtype=torch.int64) for name, rows in sets.items()}


@dataclass(frozen=True)
class _Reader:
    settings: TextSettings
    tokenizer: PreTrainedTokenizerBase
    seed: int

    def evaluation(self) -> list[Tokens]:
        wanted = self.settings.sequences_of(self.settings.evaluation_tokens)
        seed = self.settings.evaluation_seed
        weights = weights_of(self.settings.evaluation)
        streams = {source: self._stream(source, seed) for source in weights}
        return _interleaved(self._take("evaluation", streams, weights, wanted))

    def training(self, evaluation: Sequence[Tokens]) -> dict[str, list[Tokens]]:
        """The three sets of the calibration sources, each with the same mixture of sources."""
        settings = self.settings
        counts = {
            "scoring": settings.sequences_of(settings.scoring_tokens),
            "heldback": settings.sequences_of(settings.heldback_tokens),
            "calibration": settings.sequences_of(settings.calibration_tokens),
        }
        overlap = Overlap(map(self._text, evaluation))
        weights = weights_of(settings.calibration)
        streams = {source: overlap.without(self._stream(source, self.seed), self._text) for source in weights}
        rows = iter(_interleaved(self._take("calibration", streams, weights, sum(counts.values()))))
        emit("overlapping_text_dropped", sequences=overlap.dropped, run_of_words=overlap.run)
        return {name: [next(rows) for _ in range(count)] for name, count in counts.items()}

    def _stream(self, source: str, seed: int) -> Iterator[Tokens]:
        return sequences(source, self.tokenizer, self.settings.sequence_length, seed)

    def _text(self, sequence: Tokens) -> str:
        return decoded(sequence, self.tokenizer)

    def _take(
        self, key: str, streams: Mapping[str, Iterator[Tokens]], weights: Mapping[str, float], wanted: int
    ) -> dict[str, list[Tokens]]:
        """Sequences of the sources in turn until there are enough; a source that ends leaves its turns to others."""
        taken: dict[str, list[Tokens]] = {source: [] for source in streams}
        live = dict(streams)
        while live and sum(map(len, taken.values())) < wanted:
            turns = _turns({source: len(taken[source]) for source in live}, weights)
            for source in turns[: wanted - sum(map(len, taken.values()))]:
                sequence = next(live[source], None)
                if sequence is None:
                    del live[source]
                else:
                    taken[source].append(sequence)
        self._refuse_too_little(key, taken, wanted)
        for source, rows in taken.items():
            emit("text_read", set=key, source=source, tokens=len(rows) * self.settings.sequence_length)
        return taken

    def _refuse_too_little(self, key: str, taken: Mapping[str, list[Tokens]], wanted: int) -> None:
        length = self.settings.sequence_length
        found = sum(map(len, taken.values()))
        if found < wanted:
            each = ", ".join(f"{source}: {len(rows) * length}" for source, rows in taken.items())
            raise UserError(
                f"text.{key}: the sources hold {found * length} tokens in whole sequences ({each}), "
                f"but {wanted * length} are asked for; add sources or lower text.*_tokens"
            )


def _turns(taken: Mapping[str, int], weights: Mapping[str, float]) -> list[str]:
    """One round of all sources where they weigh the same, else the one that is furthest behind."""
    if len({weights[source] for source in taken}) == 1:
        return list(taken)
    return [furthest_behind(taken, weights)]


def _interleaved(taken: Mapping[str, list[Tokens]]) -> list[Tokens]:
    """All sequences in an order whose every stretch has the mixture of the whole."""
    placed = [((index + 0.5) / len(rows), sequence) for rows in taken.values() for index, sequence in enumerate(rows)]
    return [sequence for _, sequence in sorted(placed, key=lambda item: item[0])]
