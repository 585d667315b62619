"""From a source's documents to token sequences of one length, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

SAMPLE_CHARACTERS = (
    2_000  # of one document in a small set: the more documents it has pieces of, the more it is like all
)
LESSON_CHARACTERS = 8_000  # of one document in a training corpus, which is large, and where whole thoughts count
CHARACTERS_PER_TOKEN = 4  # of most text, roughly: no piece is shorter than a sequence
WINDOW_CHARACTERS = 2_000_000  # pieces are shuffled within as much text; no source is read further than needed


class Packed(NamedTuple):
    """A sequence of tokens, and the number of the document that each is of, from 0 in every sequence."""

    tokens: list[int]
    documents: list[int]


def sequences(source: str, tokenizer: PreTrainedTokenizerBase, length: int, seed: int) -> Iterator[list[int]]:
    """Token sequences of exactly `length`, documents one behind the other with the end token between them."""
    longest = max(SAMPLE_CHARACTERS, CHARACTERS_PER_TOKEN * length)
    return (sequence.tokens for sequence in packed(encoded(source, tokenizer, f"{seed}/{source}", longest), length))


def encoded(source: str, tokenizer: PreTrainedTokenizerBase, seed: str, longest: int) -> Iterator[list[int]]:
    """A source's documents as tokens, each with the end token.

    Those of more than `longest` characters come in pieces that count as documents.
    """
    random = Random(seed)
    pieces = _shuffled(_pieces(_distinct(documents(source, Reading(random, tokenizer))), longest), random)
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


def first_tokens(sequences: Tensor, tokens: int | None) -> Tensor:
    """The first sequences (sequences, seq) that hold so many tokens; all of them without a number."""
    return sequences if tokens is None else sequences[: -(-tokens // sequences.shape[1])]


def decoded(tokens: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    """The text of tokens, without those that no text has."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))


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


def _pieces(texts: Iterable[str], longest: int) -> Iterator[str]:
    """Documents, the long ones cut where a paragraph ends, or else a line or a word."""
    for text in texts:
        start = 0
        while len(text) - start > longest:
            end = _end_of_piece(text, start, start + longest)
            yield text[start:end]
            start = end
        if text[start:].strip():
            yield text[start:]


def _end_of_piece(text: str, start: int, end: int) -> int:
    """In the later half, where there is such a place; the break belongs to the piece before it."""
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, (start + end) // 2, end)
        if at > 0:
            return at + len(mark)
    return end


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
