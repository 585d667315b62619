"""06-… and on: a stage, from one child to a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from blockwright.files import write_json
from blockwright.running.files import RunFiles
from blockwright.running.steps.step import Step
from blockwright.stages import Curve, Stage, StageContext, StageResult, StageText
from blockwright.text.overlap import RUN_OF_WORDS, Overlap
from blockwright.text.sequences import decoded
from blockwright.text.sets import TextSettings

JUDGES = ("heldback", "scoring")  # they decide what is kept, so nothing may be trained on them
RUN_OF_JUDGES = 48  # words: they are of the same sources, whose set phrases alone say nothing


@dataclass(frozen=True)
class StageStep(Step):
    stage: Stage
    previous: str | None
    text: TextSettings
    seed: int

    def run(self, files: RunFiles, folder: Path) -> None:
        """Writes `stage.json`: the child to go on with, relative to the run directory, and the stage's figures."""
        length = self.text.sequence_length
        text = StageText(self.text.calibration, length, partial(_judging_text, files, length))
        child = files.child_after(self.previous)
        result = self.stage.run(StageContext(files.parent, child, files.training_tokens, folder, self.seed, text))
        write_json(folder / "stage.json", self._record(result, files.directory))

    def _record(self, result: StageResult, directory: Path) -> Mapping[str, object]:
        return {
            "stage": self.stage.name,
            "child": str(result.child.resolve().relative_to(directory.resolve())),
            "figures": dict(result.figures),
            "notes": list(result.notes),
            "curves": {name: _finite(curve) for name, curve in result.curves.items()},
            "replies": [asdict(reply) for reply in result.replies],
        }


def _judging_text(files: RunFiles, sequence_length: int) -> Overlap:
    """Runs that a sequence has room for, however short it is."""
    run = min(RUN_OF_JUDGES, max(RUN_OF_WORDS, sequence_length // 4))
    return _texts(files, "evaluation") | _texts(files, *JUDGES, run=run)


def _texts(files: RunFiles, *sets: str, run: int = RUN_OF_WORDS) -> Overlap:
    tokenizer = files.parent.tokenizer()
    sequences = (sequence for name in sets for sequence in files.tokens[name].tolist())
    return Overlap((decoded(sequence, tokenizer) for sequence in sequences), run)


def _finite(curve: Curve) -> list[tuple[int, float]]:
    """JSON has no word for a loss that is none any more."""
    return [(step, value) for step, value in curve if math.isfinite(value)]
