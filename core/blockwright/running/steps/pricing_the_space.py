"""03-costs: what each variant takes, what is there in any case, and the budget as absolute limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blockwright.costs import CostModel, Scenario
from blockwright.events import emit
from blockwright.files import write_json
from blockwright.recipes.budget import Budget
from blockwright.recipes.feasibility import limits_within
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.searching.join_making import with_join_savings
from blockwright.searching.pricing import MAIN, Prices, Space, price


@dataclass(frozen=True)
class CostStep(Step):
    """`joins` also prices what joined FFNs save."""

    space: Space
    cost_model: CostModel
    scenarios: Mapping[str, Scenario]
    budget: Budget
    batches: tuple[int, ...]
    joins: bool = False

    def run(self, files: RunFiles, folder: Path) -> None:
        """Takes a moment: a changed budget or scenario redoes only this and what comes after."""
        prices = self._priced(files, self.scenarios)
        for note in prices.notes:
            emit("cost_guessed", note=note)
        batches = {batch: self._at(batch, files).to_dict() for batch in self.batches}
        limits, floors = dict(limits_within(self.budget, prices)), dict(self.budget.floors(prices.parent))
        written = {**prices.to_dict(), "batches": batches, "limits": limits, "floors": floors}
        write_json(folder / "costs.json", written)

    def _at(self, batch: int, files: RunFiles) -> Prices:
        """With another batch size in the recipe's own scenario."""
        scenarios = {**self.scenarios, MAIN: self.scenarios[MAIN].model_copy(update={"batch": batch})}
        return self._priced(files, scenarios)

    def _priced(self, files: RunFiles, scenarios: Mapping[str, Scenario]) -> Prices:
        prices = price(files.parent, self.space, files.variants, self.cost_model, scenarios)
        if not self.joins:
            return prices
        return with_join_savings(prices, files.parent, self.space, files.variants, self.cost_model)
