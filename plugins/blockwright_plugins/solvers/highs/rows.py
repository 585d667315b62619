"""Rows of a program, and sums of its columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from blockwright_plugins.solvers.highs.columns import Variables


@dataclass(frozen=True)
class Row:
    """low ≤ Σ coefficient · variable ≤ high, by the number of the variable."""

    low: float
    high: float
    terms: Mapping[int, float]


def taking(variables: Variables, name: str, labels: Collection[str]) -> dict[int, float]:
    """Terms whose sum is 1 where a sub-block takes one of these variants, else 0."""
    return {at: 1.0 for label, at in variables.columns_of.get(name, {}).items() if label in labels}
