"""Text that stands in the evaluation too, word for word, is not learned from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
RUN_OF_WORDS = 13


class Overlap:
    """Finds texts that share a run of words with the given ones; counts what it drops in `dropped`.

    `a | b` finds what either finds, each with its own length of run.
    """

    def __init__(self, texts: Iterable[str], run: int = RUN_OF_WORDS) -> None:
        self.run, self.dropped = run, 0
        self._known = {run: {words for text in texts for words in _runs_of(_words(text), run)}}

    def __or__(self, other: Overlap) -> Overlap:
        both = Overlap((), self.run)
        both._known = {run: self._runs(run) | other._runs(run) for run in {**self._known, **other._known}}
        return both

    def __contains__(self, text: str) -> bool:
        words = _words(text)
        return any(found in known for run, known in self._known.items() for found in _runs_of(words, run))

    @property
    def fingerprint(self) -> str:
        """Equal for equal texts."""
        lines = [f"{run}: {' '.join(words)}" for run, known in self._known.items() for words in known]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def without(self, items: Iterable[T], text_of: Callable[[T], str]) -> Iterator[T]:
        """The items whose text shares no run."""
        for item in items:
            if text_of(item) in self:
                self.dropped += 1
            else:
                yield item

    def _runs(self, run: int) -> set[tuple[str, ...]]:
        return self._known.get(run, set())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _runs_of(words: list[str], run: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + run]) for start in range(len(words) - run + 1))
