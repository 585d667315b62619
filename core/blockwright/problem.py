"""The search as a problem and its answer: values only, no solver and no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from blockwright.errors import UserError

Joined = tuple[tuple[str, str], ...]  # the joins that a child makes, by their left and right sub-blocks
Status = Literal["optimal", "time_limit", "heuristic"]  # proven, cut short, or never to be proven
Feature = Literal["floors", "groups", "joints", "forced", "forbidden", "ball", "apart", "several_limits", "joins"]


@dataclass(frozen=True)
class Choice:
    """One variant of one sub-block: what it loses (nats per token) and what it takes of each resource."""

    variant: str
    score: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Ball:
    """At most `radius` sub-blocks may differ from `centre`; one that it does not name differs."""

    centre: Mapping[str, str]
    radius: int


@dataclass(frozen=True)
class Apart:
    """At least `distance` sub-blocks must differ from `solution`, for diverse optima; one it does not name differs."""

    solution: Mapping[str, str]
    distance: int


@dataclass(frozen=True)
class Joint:
    """What is added when all members (sub-block -> variant) are taken, in nats per token and by resource.

    It prices what spans sub-blocks: a variant of a layer's attention and FFN at once, a run of fused FFNs. The score
    and the costs may be negative, and a resource that `costs` does not name is not changed.
    """

    members: Mapping[str, str]
    score: float
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Join:
    """Two FFNs that follow each other may become one, whatever the child is otherwise worth.

    It is open to children that take one of the `allowed` variants in each sub-block named there. Where it is made and
    `right` is not skipped, it adds its score (nats per token) and its costs, which are negative for what it saves.
    """

    left: str
    right: str
    allowed: Mapping[str, frozenset[str]]
    score: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class JoinRule:
    """What joins make of FFNs. `widths` has, by sub-block and variant, the channels of those that can be joined, 0 for
    one that is skipped; a variant without a width cannot. Joins in a row make one FFN, which begins with one that is
    there and has at most `max_width` channels; `exclude_last` asks for one more FFN after it that it could have joined,
    but for its width."""

    widths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    max_width: int | None = None
    exclude_last: bool = False


@dataclass(frozen=True)
class Problem:
    """Multiple-choice knapsack: one choice a sub-block, least summed score, no resource over its limit.

    `fixed` is what the child takes whatever is chosen (embedding, head, final norm), by resource; limits and floors
    (the least of a resource) are about totals that include it. A sub-block takes its variant of `forced` and none
    of its `forbidden`. The sub-blocks of a group all take the variant of one label, which each of them must offer.
    `joints` add to scores and costs; so do those `joins` that the child makes, which the solver chooses too, under
    `join_rule`. `blockwright.solution_rules` says whether a solution keeps all of it.
    """

    choices: Mapping[str, tuple[Choice, ...]]
    limits: Mapping[str, float]
    fixed: Mapping[str, float] = field(default_factory=dict)
    ball: Ball | None = None
    apart: tuple[Apart, ...] = ()
    floors: Mapping[str, float] = field(default_factory=dict)
    forced: Mapping[str, str] = field(default_factory=dict)
    forbidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()
    joints: tuple[Joint, ...] = ()
    joins: tuple[Join, ...] = ()
    join_rule: JoinRule = field(default_factory=JoinRule)

    @property
    def features(self) -> frozenset[Feature]:
        """What it asks of a solver beyond one limit on sums."""
        asked: dict[Feature, bool] = {
            "floors": bool(self.floors),
            "groups": bool(self.groups),
            "joints": bool(self.joints),
            "forced": bool(self.forced),
            "forbidden": bool(self.forbidden),
            "ball": self.ball is not None,
            "apart": bool(self.apart),
            "several_limits": len(self.limits) > 1,
            "joins": bool(self.joins),
        }
        return frozenset(feature for feature, is_asked in asked.items() if is_asked)


@dataclass(frozen=True)
class Solution:
    """One variant a sub-block, with the proof: objective and bound in nats per token, relative gap, status.

    `joined` has the joins that the child makes, each by its left and its right sub-block.
    """

    variants: Mapping[str, str]
    objective: float
    bound: float
    gap: float
    status: Status
    seconds: float
    nodes: int
    costs: Mapping[str, float]
    joined: Joined = ()


class Infeasible(Exception):
    """No child keeps the limits and floors. `least` is the least that can be reached of each limited resource, `most`
    the most of each that has a floor, each alone."""

    def __init__(
        self,
        limits: Mapping[str, float],
        least: Mapping[str, float],
        floors: Mapping[str, float] | None = None,
        most: Mapping[str, float] | None = None,
    ) -> None:
        self.limits, self.least, self.floors, self.most = limits, least, floors or {}, most or {}
        message = f"no child fits {dict(limits)}; the least that can be reached is {dict(least)}"
        if self.floors:
            message += f"; none has at least {dict(self.floors)}; the most that can be reached is {dict(self.most)}"
        super().__init__(message)


class SolverOptions(BaseModel):
    """Base of a solver's section in the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Solver(ABC):
    """Answers problems; one instance a solve, made with its options from the recipe.

    `exact` solvers answer with the optimum. `supports` names what a problem may ask for beyond one limit; `solve`
    begins with `refuse_unsupported(self, problem)`. `blockwright.contracts.solvers` has the rules as tests.
    """

    name: ClassVar[str]
    Options: ClassVar[type[SolverOptions]] = SolverOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries, each so small that a tiny model takes seconds."""
    exact: ClassVar[bool] = False
    supports: ClassVar[frozenset[Feature]] = frozenset()
    scored_by: ClassVar[str | None] = None
    """The scorer whose scores it is meant for, where only one will do."""

    def __init__(self, options: SolverOptions) -> None:
        self.options = options

    @abstractmethod
    def solve(self, problem: Problem) -> Solution:
        """The best child within the limits; raises Infeasible with the least that can be reached."""


def refuse_unsupported(solver: Solver, problem: Problem) -> None:
    """UserError naming what the problem asks for and the solver cannot do."""
    missing = sorted(problem.features - solver.supports)
    if missing:
        asked = ", ".join(missing)
        raise UserError(f"solver.name: '{solver.name}' does not support {asked}; choose a solver that does")
