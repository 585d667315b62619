"""The names of the steps after the build, which depend on what a recipe lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

FIRST = 6  # 00 to 05 are every recipe's: the parent, the library, scores, costs, the search, the build


@dataclass(frozen=True)
class LaterSteps:
    """`06-ffn-fusion`, `07-refit`, `08-evaluation`, `09-export-vllm`: in the order in which they are done.

    Exports come after the evaluation, which their model cards tell.
    """

    transforms: tuple[str, ...]
    stages: tuple[str, ...]
    evaluation: str
    exports: tuple[str, ...]

    @classmethod
    def of(cls, transforms: Iterable[str], stages: Iterable[str], exports: Iterable[str]) -> LaterSteps:
        """Of the plugins' names."""
        numbers = count(FIRST)

        def named(names: Iterable[str], prefix: str = "") -> tuple[str, ...]:
            return tuple(f"{next(numbers):02d}-{prefix}{name}" for name in names)

        first, second, (evaluation,) = named(transforms), named(stages), named(["evaluation"])
        return cls(first, second, evaluation, named(exports, "export-"))
