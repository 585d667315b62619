"""Layers as a search space's rules write them: `0`, `0-3`, `-1`, `first`, `last`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from blockwright.recipes.mistakes import KeyPath, Mistake, shown

_WORDS = {"first": 0, "last": -1}
_RANGE = re.compile(r"(-?\d{1,6})(?:\s*-\s*(-?\d{1,6}))?")


@dataclass(frozen=True)
class LayerRange:
    """From `first` to `last`, both included; negative ones count from the parent's last layer."""

    first: int
    last: int
    path: KeyPath = field(default=(), compare=False)

    @classmethod
    def parse(cls, written: object, path: KeyPath = ()) -> LayerRange:
        """ValueError for what is no layer and no range of them."""
        text = str(written).strip()
        if isinstance(written, str) and text in _WORDS:
            return cls(_WORDS[text], _WORDS[text], path)
        match = _RANGE.fullmatch(text) if isinstance(written, str | int) and not isinstance(written, bool) else None
        if match is None:
            raise ValueError(f"expected layers like 0, -1, 0-3, first or last, got {shown(written)}")
        return cls(int(match[1]), int(match[2] or match[1]), path)

    def layers(self, count: int) -> range:
        """Of a parent with `count` layers."""
        return range(_from_the_front(self.first, count), _from_the_front(self.last, count) + 1)

    def mistakes(self, count: int) -> list[Mistake]:
        """Layers that a parent with `count` of them does not have, or an empty range."""
        if not (-count <= self.first < count and -count <= self.last < count):
            return [Mistake(self.path, f"there is no layer '{self}': the parent has {count} layers, 0 to {count - 1}")]
        if not self.layers(count):
            return [Mistake(self.path, f"the range {self} holds no layer; write the lower one first")]
        return []

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def _from_the_front(layer: int, count: int) -> int:
    return layer + count if layer < 0 else layer
