"""From a source's documents to token sequences of one length, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING

from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PIECE_CHARACTERS = 8_000  # a long document is read in pieces, so that one book does not fill a whole set
WINDOW_CHARACTERS = 2_000_000  # pieces are shuffled within as much text; no source is read further than needed


def sequences(source: str, tokenizer: PreTrainedTokenizerBase, length: int, seed: int) -> Iterator[list[int]]:
    """Token sequences of exactly `length`, documents one behind the other with the end token between them."""
    random = Random(f"{seed}/{source}")
    pieces = _shuffled(_pieces(_distinct(documents(source, Reading(random, tokenizer)))), random)
    waiting: list[int] = []
    for piece in pieces:
        waiting += _encode(piece, tokenizer)
        while len(waiting) >= length:
            yield waiting[:length]
            del waiting[:length]


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
        while len(text) > PIECE_CHARACTERS:
            at = text.rfind("\n\n", PIECE_CHARACTERS // 2, PIECE_CHARACTERS)
            at = at + 2 if at > 0 else PIECE_CHARACTERS
            yield text[:at]
            text = text[at:]
        if text.strip():
            yield text


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
