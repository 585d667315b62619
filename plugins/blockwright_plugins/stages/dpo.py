"""`dpo`: the child learns which of two replies is preferred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from blockwright.plugins import hookimpl
from blockwright.post_training.dpo import TRAINS, DpoSettings, read_preferences, write_preferences
from blockwright.stages import Stage, StageContext, StageResult

if TYPE_CHECKING:
    from blockwright.post_training.job import TrlJob

CURVES = {
    "loss": "loss (nats)",
    "rewards/accuracies": "chosen above rejected (share)",
    "rewards/margins": "chosen above rejected (nats, times beta)",
}


class DpoOptions(DpoSettings):
    """`preferences`: JSONL files of prompts with a chosen and a rejected reply."""

    preferences: tuple[Path, ...] = Field(min_length=1)


class DpoStage(Stage):
    """Trains on TRL's DPOTrainer."""

    name = "dpo"
    Options = DpoOptions
    contract_options = ()  # without a file of preferences there is nothing to try

    def run(self, context: StageContext) -> StageResult:
        from blockwright.post_training.job import run_job

        options = self._options
        preferences = [each for file in options.preferences for each in read_preferences(file)]
        left_out = write_preferences(context.directory, preferences, context.child, options.longest)
        outcome = run_job(self._job(context), options.launcher)
        shares = [value for _, value in outcome.curve("rewards/accuracies")]
        figures = {"steps": float(outcome.steps)}
        if shares:
            figures["chosen above rejected at the end (share)"] = shares[-1]
        notes = tuple(_notes(left_out, options.longest))
        return StageResult(outcome.child, figures, notes, outcome.curves(CURVES))

    @property
    def _options(self) -> DpoOptions:
        assert isinstance(self.options, DpoOptions)
        return self.options

    def _job(self, context: StageContext) -> TrlJob:
        from blockwright.post_training.job import TrlJob

        return TrlJob.of(context, TRAINS, self._options, DpoSettings)


def _notes(left_out: int, longest: int) -> Iterator[str]:
    if left_out:
        yield f"{left_out} preferences of more than {longest} tokens were left out"


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [DpoStage]
