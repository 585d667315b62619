"""The last step: the child as it was built and as the stages left it, against the parent on unseen text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockwright.events import emit
from blockwright.files import write_json
from blockwright.running.files import SOLVE, RunFiles
from blockwright.running.steps.step import Step


@dataclass(frozen=True)
class EvaluationStep(Step):
    last_stage: str | None

    def run(self, files: RunFiles, folder: Path) -> None:
        """`built.json` and `final.json` as they are measured, then `evaluation.json` with the prediction too."""
        built = _measured(files, files.built_child(), folder / "built.json")
        final_child = files.child_after(self.last_stage)
        unchanged = final_child.resolve() == files.built_child().resolve()
        final = built if unchanged else _measured(files, final_child, folder / "final.json")
        predicted = files.json(f"{SOLVE}/solution.json")["predicted"]
        write_json(folder / "evaluation.json", {"predicted": predicted, "built": built, "final": final})


def _measured(files: RunFiles, child: Path, record: Path) -> dict[str, object]:
    """The child's figures, measured unless a killed run has written them."""
    from blockwright.child.checkpoint import open_child
    from blockwright.models.evaluation import evaluate

    if not record.exists():
        measured = evaluate(files.parent.stack(), open_child(child), files.tokens["evaluation"])
        write_json(record, measured.to_dict())
        emit("child_evaluated", child=record.stem, kl_nats_per_token=measured.kl_nats_per_token)
    return files.json(str(record.relative_to(files.directory)))
