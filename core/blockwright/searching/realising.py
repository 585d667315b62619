"""Solvers that look at real children rather than at sums of scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from blockwright.problem import Problem, Solution, Solver


class Realiser(Protocol):
    """Assembles a child and measures it."""

    def realise(self, variants: Mapping[str, str], tokens: int | None = None) -> float:
        """KL(parent‖child) in nats per token, on about so many tokens, or on all that judge."""
        ...


class RealisingSolver(Solver):
    """Searches on what children really lose; `solve` answers on sums, for warm starts and for the rounds after it."""

    @abstractmethod
    def solve_realising(self, problem: Problem, children: Realiser, incumbent: Solution, folder: Path) -> Solution:
        """The best child that it finds within the limits, starting from the incumbent.

        What it needs to go on after a kill, it keeps in `folder`.
        """
