"""From a source's documents to token sequences of one length, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PIECE_CHARACTERS = 8_000  # a long document is read in pieces, so that one book does not fill a whole set
WINDOW_CHARACTERS = 2_000_000  # pieces are shuffled within as much text; no source is read further than needed


class Packed(NamedTuple):
    """A sequence of tokens, and the number of the document that each is of, from 0 in every sequence."""

    tokens: list[int]
    documents: list[int]


def sequences(source: str, tokenizer: PreTrainedTokenizerBase, length: int, seed: int) -> Iterator[list[int]]:
    """Token sequences of exactly `length`, documents one behind the other with the end token between them."""
    return (sequence.tokens for sequence in packed(encoded(source, tokenizer, f"{seed}/{source}"), length))


def encoded(source: str, tokenizer: PreTrainedTokenizerBase, seed: str) -> Iterator[list[int]]:
    """A source's documents as tokens, each with the end token; long documents in pieces that count as documents."""
    random = Random(seed)
    pieces = _shuffled(_pieces(_distinct(documents(source, Reading(random, tokenizer)))), random)
    return (_encode(piece, tokenizer) for piece in pieces)


def packed(documents: Iterable[list[int]], length: int) -> Iterator[Packed]:
    """Documents one behind the other, cut every `length` tokens; what is left at the end is dropped."""
    tokens: list[int] = []
    owners: list[int] = []
    for number, document in enumerate(filter(None, documents)):
        tokens += document
        owners += [number] * len(document)
        while len(tokens) >= length:
            first = owners[0]
            yield Packed(tokens[:length], [owner - first for owner in owners[:length]])
            del tokens[:length], owners[:length]


def _encode(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    start = tokenizer.bos_token
    has_start = isinstance(start, str) and text.startswith(start)  # a chat template writes it itself
    ids = list(tokenizer(text, add_special_tokens=not has_start, verbose=False)["input_ids"])
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, end]


def _distinct(texts: Iterable[str]) -> Iterator[str]:
    seen: set[int] = set()
    for text in texts:
        if text.strip() and hash(text) not in seen:
            seen.add(hash(text))
            yield text


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    """Documents, the long ones cut at the ends of paragraphs where they have some."""
    for text in texts:
        start = 0
        while len(text) - start > PIECE_CHARACTERS:
            at = text.rfind("\n\n", start + PIECE_CHARACTERS // 2, start + PIECE_CHARACTERS)
            end = at + 2 if at > 0 else start + PIECE_CHARACTERS
            yield text[start:end]
            start = end
        if text[start:].strip():
            yield text[start:]


def _shuffled(pieces: Iterable[str], random: Random) -> Iterator[str]:
    window: list[str] = []
    characters = 0
    for piece in pieces:
        window.append(piece)
        characters += len(piece)
        if characters >= WINDOW_CHARACTERS:
            random.shuffle(window)
            yield from window
            window, characters = [], 0
    random.shuffle(window)
    yield from window
