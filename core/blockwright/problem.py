"""The search as a problem and its answer: values only, no solver and no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["optimal", "time_limit"]


@dataclass(frozen=True)
class Choice:
    """One variant of one sub-block: what it loses (nats per token) and what it takes of each resource."""

    variant: str
    score: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Ball:
    """At most `radius` sub-blocks may differ from `centre`."""

    centre: Mapping[str, str]
    radius: int


@dataclass(frozen=True)
class Apart:
    """At least `distance` sub-blocks must differ from `solution`, for diverse optima."""

    solution: Mapping[str, str]
    distance: int


@dataclass(frozen=True)
class Problem:
    """Multiple-choice knapsack: one choice a sub-block, least summed score, no resource over its limit.

    `fixed` is what the child takes whatever is chosen (embedding, head, final norm), by resource.
    """

    choices: Mapping[str, tuple[Choice, ...]]
    limits: Mapping[str, float]
    fixed: Mapping[str, float] = field(default_factory=dict)
    ball: Ball | None = None
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True)
class Solution:
    """One variant a sub-block, with the proof: objective and bound in nats per token, relative gap, status."""

    variants: Mapping[str, str]
    objective: float
    bound: float
    gap: float
    status: Status
    seconds: float
    nodes: int
    costs: Mapping[str, float]


class Infeasible(Exception):
    """No child fits the limits. `least` is the least that can be reached of each limited resource, alone."""

    def __init__(self, limits: Mapping[str, float], least: Mapping[str, float]) -> None:
        super().__init__(f"no child fits {dict(limits)}; the least that can be reached is {dict(least)}")
        self.limits, self.least = limits, least


class SolverOptions(BaseModel):
    """Base of a solver's section in the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Solver(ABC):
    """Answers problems; one instance a solve, made with its options from the recipe."""

    name: ClassVar[str]
    Options: ClassVar[type[SolverOptions]] = SolverOptions
    scored_by: ClassVar[str | None] = None
    """The scorer whose scores it is meant for, where only one will do."""

    def __init__(self, options: SolverOptions) -> None:
        self.options = options

    @abstractmethod
    def solve(self, problem: Problem) -> Solution:
        """The best child within the limits; raises Infeasible with the least that can be reached."""
