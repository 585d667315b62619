"""The recipe's `iterations` section: how often to search and heal, and how far each time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from blockwright.recipes.budget import Budget, Written, as_written
from blockwright.recipes.sections import one_stage, sections

MOST = 20  # a run of more would take weeks, and a typing error should not start one


class Iterations(BaseModel):
    """`count` searches in all, the last to the recipe's budget; `iterations: 3` is short for `{count: 3}`.

    `budgets`: those of the searches before the last, as in `budget`; without them limits fall in equal steps from what
    the parent takes. `heal`: the stages after each search but the last; without them the recipe's own that heal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    count: int = Field(ge=1, le=MOST)
    budgets: tuple[Budget, ...] = ()
    heal: tuple[Annotated[object, AfterValidator(one_stage)], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_number_is_a_count(cls, written: object) -> object:
        if isinstance(written, int) and not isinstance(written, bool):
            return {"count": written}
        if isinstance(written, Mapping) and "count" not in written and isinstance(written.get("budgets"), list | tuple):
            return {**written, "count": 1 + len(written["budgets"])}
        return written

    @model_validator(mode="after")
    def _has_a_budget_for_each(self) -> Iterations:
        if self.budgets and len(self.budgets) != self.count - 1:
            wanted = f"{self.count - 1}, one for each search before the last"
            raise ValueError(f"budgets: expected {wanted}, got {len(self.budgets)}")
        return self

    @property
    def heal_sections(self) -> tuple[tuple[str, Mapping[str, object]], ...] | None:
        """The stages in between, each as its name and its options."""
        return None if self.heal is None else sections(self.heal)


def budget_of_iteration(number: int, count: int, budget: Budget, parent: Mapping[str, float]) -> Budget:
    """Limits that have gone `number` of `count` equal steps from what the parent takes to those of the budget.

    A limit that the parent keeps is the budget's own at every step, and so are floors.
    """
    limits = budget.limits(parent)
    stepped = {name: _between(parent[name], limit, number / count) for name, limit in limits.items()}
    scenarios = {
        name: one.model_copy(update=_written(one.written(), f"{name}.", stepped))
        for name, one in budget.scenarios.items()
    }
    return budget.model_copy(update={**_written(budget.written(), "", stepped), "scenarios": scenarios})


def _written(keys: Iterable[tuple[str, Written]], prefix: str, limits: Mapping[str, float]) -> dict[str, Written]:
    return {key: as_written(key, limits, prefix) for key, _ in keys}


def _between(parent: float, limit: float, share: float) -> float:
    return limit if limit >= parent or not math.isfinite(parent) else parent + (limit - parent) * share
