"""Text to train on: a mixture of sources up to a budget of tokens, packed into one file that is mapped, not loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.files import claim, write_atomically, write_json
from blockwright.text.mixture import Source, furthest_behind, name_of, weights_of
from blockwright.text.overlap import Overlap
from blockwright.text.sequences import LESSON_CHARACTERS, Packed, decoded, encoded, packed
from blockwright.text.sources import refuse_what_is_no_source

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

TOKENS, FACTS = "tokens.npy", "corpus.json"
SEQUENCE_LENGTH = 512  # where neither settings nor recipe say one
_FORMAT = 1  # goes into the key, so that files of another layout are made anew
_TOLD_EVERY = 64  # sequences


class CorpusSettings(BaseModel):
    """A stage's `data` section: what it trains on.

    `sources`: names, or `{source: NAME, weight: W}`, where weights are shares of the tokens; the recipe's calibration
    sources when none is given. `tokens`: how many in all; a source that has fewer is read again in another order.
    `sequence_length`: tokens a sequence, the recipe's own when it is not given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    sources: tuple[Source, ...] = ()
    tokens: PositiveInt = 1_000_000
    sequence_length: int | None = Field(default=None, ge=8)

    @field_validator("sources")
    @classmethod
    def _can_be_read(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        for source in sources:
            refuse_what_is_no_source(name_of(source))
        return sources

    def completed(self, sources: tuple[Source, ...], sequence_length: int) -> CorpusSettings:
        """With what the recipe says of text where these settings say nothing."""
        update = {"sources": self.sources or sources, "sequence_length": self.sequence_length or sequence_length}
        return self.model_copy(update=update)

    @property
    def length(self) -> int:
        return self.sequence_length or SEQUENCE_LENGTH

    @property
    def sequences(self) -> int:
        """How many whole sequences hold at least the budget."""
        return -(-self.tokens // self.length)


@dataclass(frozen=True)
class Corpus:
    """Packed sequences in a folder, read from disk as they are asked for; a position in it is one whole number.

    `corpus[i]` is tokens and documents, each int64 (seq,); documents number a sequence's documents from 0, for masks
    that keep them apart. IndexError past the end.
    """

    folder: Path

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        import torch

        tokens, documents = torch.from_numpy(self._rows[index].astype("int64"))  # (2, seq)
        return tokens, documents

    @property
    def sequence_length(self) -> int:
        return int(self._rows.shape[2])

    @property
    def facts(self) -> Mapping[str, Mapping[str, int]]:
        """Of each source: tokens, times that it was read to its end, sequences dropped for what they share."""
        return json.loads((self.folder / FACTS).read_text())["sources"]  # type: ignore[no-any-return]

    @cached_property
    def _rows(self) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint32]]:
        """(sequences, 2, seq): tokens, then documents."""
        import numpy as np

        rows: np.ndarray[tuple[int, int, int], np.dtype[np.uint32]] = np.load(self.folder / TOKENS, mmap_mode="r")
        return rows


def make_corpus(
    settings: CorpusSettings, tokenizer: PreTrainedTokenizerBase, seed: int, folder: Path, unwanted: Overlap
) -> Corpus:
    """The corpus in `folder`, made unless it is there; the same bytes for the same seed, sources and tokenizer.

    Sequences that share a run of words with the unwanted text are left out. UserError where a source has no text, or
    none that may be used.
    """
    key = _key(settings, tokenizer, seed, unwanted)
    if not _is_there(folder, key):
        facts = _write(_Mixture(settings, tokenizer, seed, unwanted), folder / TOKENS)
        write_json(folder / FACTS, {"key": key, "sources": facts})
        emit("corpus_made", tokens=settings.sequences * settings.length, sources=facts)
    return Corpus(folder)


def _is_there(folder: Path, key: str) -> bool:
    facts = folder / FACTS
    return facts.is_file() and (folder / TOKENS).is_file() and json.loads(facts.read_text())["key"] == key


def _key(settings: CorpusSettings, tokenizer: PreTrainedTokenizerBase, seed: int, unwanted: Overlap) -> str:
    vocabulary = sorted(tokenizer.get_vocab().items())
    words = [str(tokenizer.chat_template), tokenizer.bos_token, tokenizer.eos_token]
    parts = [_FORMAT, settings.model_dump(mode="json"), seed, vocabulary, words, unwanted.fingerprint]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _write(mixture: _Mixture, path: Path) -> Mapping[str, Mapping[str, int]]:
    import numpy as np

    total, length = mixture.settings.sequences, mixture.settings.length
    with write_atomically(path) as beside:
        rows = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint32, shape=(total, 2, length))
        claim(beside)
        for index, sequence in zip(range(total), mixture.sequences(), strict=False):
            rows[index] = sequence
            if (index + 1) % _TOLD_EVERY == 0 or index + 1 == total:
                emit("sequences_packed", done=index + 1, total=total)
        rows.flush()
    return mixture.facts()


class _Mixture:
    """Sequences of all sources without end, each source as far along as its weight says."""

    def __init__(
        self, settings: CorpusSettings, tokenizer: PreTrainedTokenizerBase, seed: int, unwanted: Overlap
    ) -> None:
        if not settings.sources:
            raise UserError("text: a corpus needs sources, and none is named")
        self.settings, self._weights = settings, weights_of(settings.sources)
        self._supplies = {name: _Supply(name, tokenizer, seed, unwanted) for name in self._weights}

    def sequences(self) -> Iterator[Packed]:
        streams = {name: supply.sequences(self.settings.length) for name, supply in self._supplies.items()}
        while True:
            name = furthest_behind({name: one.taken for name, one in self._supplies.items()}, self._weights)
            yield next(streams[name])

    def facts(self) -> dict[str, dict[str, int]]:
        return {name: supply.facts(self.settings.length) for name, supply in self._supplies.items()}


class _Supply:
    """One source's sequences without end: read again, in another order, whenever it is through."""

    def __init__(self, source: str, tokenizer: PreTrainedTokenizerBase, seed: int, unwanted: Overlap) -> None:
        self._source, self._tokenizer, self._seed, self._unwanted = source, tokenizer, seed, unwanted
        self.taken = self._dropped = self._passes = 0

    def sequences(self, length: int) -> Iterator[Packed]:
        for sequence in packed(self._documents(), length):
            if decoded(sequence.tokens, self._tokenizer) in self._unwanted:
                self._dropped += 1
            else:
                self.taken += 1
                yield sequence

    def facts(self, length: int) -> dict[str, int]:
        return {"tokens": self.taken * length, "times_through": self._passes, "sequences_dropped": self._dropped}

    def _documents(self) -> Iterator[list[int]]:
        while True:
            read = 0
            order = f"{self._seed}/corpus/{self._source}/{self._passes}"
            for document in encoded(self._source, self._tokenizer, order, LESSON_CHARACTERS):
                read += 1
                yield document
            self._start_again(read)

    def _start_again(self, read: int) -> None:
        self._passes += 1
        if not read:
            raise UserError(f"text: the source '{self._source}' holds no text")
        if self._dropped and not self.taken:
            raise UserError(
                f"text: all of the source '{self._source}' stands in the text that the child is judged by; name another"
            )
        if self._passes == 1:
            emit("source_started_again", source=self._source, sequences=self.taken)
