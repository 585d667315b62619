"""Several sources of text as one mixture: a source is written as its name, or as its name with a weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag


class WeightedSource(BaseModel):
    """`{source: NAME, weight: 2}` gives twice as many tokens as a source without a weight, which has 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)


def _form(value: object) -> str:
    return "weighted" if isinstance(value, WeightedSource | Mapping) else "named"


Source = Annotated[Annotated[str, Tag("named")] | Annotated[WeightedSource, Tag("weighted")], Discriminator(_form)]


def name_of(source: Source) -> str:
    return source if isinstance(source, str) else source.source


def weights_of(sources: Iterable[Source]) -> dict[str, float]:
    """Weights by name, in order; of a source that is there twice the first counts."""
    weights: dict[str, float] = {}
    for source in sources:
        weights.setdefault(name_of(source), 1.0 if isinstance(source, str) else source.weight)
    return weights


def furthest_behind(taken: Mapping[str, int], weights: Mapping[str, float]) -> str:
    """The source whose share of what was taken is furthest below its weight; the first where several are.

    Taking from it every time keeps every source within one turn of its share, without chance.
    """
    total, whole = 1 + sum(taken.values()), sum(weights[name] for name in taken)
    return max(taken, key=lambda name: total * weights[name] / whole - taken[name])
