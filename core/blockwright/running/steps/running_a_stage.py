"""06-… and on: a stage, from one child to a better one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockwright.files import write_json
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.stages import Stage, StageContext


@dataclass(frozen=True)
class StageStep(Step):
    stage: Stage
    previous: str | None
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `stage.json`: the child to go on with, relative to the run directory, and the stage's figures."""
        child = files.child_after(self.previous)
        context = StageContext(files.parent, child, files.training_tokens, folder, self.seed)
        result = self.stage.run(context)
        record = {
            "stage": self.stage.name,
            "child": str(result.child.resolve().relative_to(files.directory.resolve())),
            "figures": dict(result.figures),
            "notes": list(result.notes),
        }
        write_json(folder / "stage.json", record)
