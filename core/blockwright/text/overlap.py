"""Text that stands in the evaluation too, word for word, is not learned from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
RUN_OF_WORDS = 13


class Overlap:
    """Finds texts that share a run of words with the given ones; counts what it drops in `dropped`."""

    def __init__(self, texts: Iterable[str], run: int = RUN_OF_WORDS) -> None:
        self.run, self.dropped = run, 0
        self._runs = {words for text in texts for words in self._runs_of(text)}

    def __contains__(self, text: str) -> bool:
        return any(words in self._runs for words in self._runs_of(text))

    @property
    def fingerprint(self) -> str:
        """Equal for equal texts."""
        lines = sorted(" ".join(words) for words in self._runs)
        return hashlib.sha256("\n".join([str(self.run), *lines]).encode()).hexdigest()

    def without(self, items: Iterable[T], text_of: Callable[[T], str]) -> Iterator[T]:
        """The items whose text shares no run."""
        for item in items:
            if text_of(item) in self:
                self.dropped += 1
            else:
                yield item

    def _runs_of(self, text: str) -> Iterator[tuple[str, ...]]:
        words = re.findall(r"\w+", text.lower())
        return (tuple(words[start : start + self.run]) for start in range(len(words) - self.run + 1))
