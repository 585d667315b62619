"""After the stages: the child as it was built and as they left it against the parent on unseen text, and in tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.events import emit
from blockwright.files import write_json
from blockwright.running.files import EVALUATIONS, SOLVE, TASKS, RunFiles
from blockwright.running.steps.step import Step

if TYPE_CHECKING:
    from blockwright.evaluating.settings import EvaluationSettings


@dataclass(frozen=True)
class EvaluationStep(Step):
    """`steps` are all transforms and stages; `settings` are there where the recipe names tasks."""

    last_stage: str | None
    steps: Sequence[str] = ()
    settings: EvaluationSettings | None = None

    def run(self, files: RunFiles, folder: Path) -> None:
        """`built.json` and `final.json` as they are measured, then `evaluation.json` with the prediction too.

        With tasks also `tasks.json`; what each model came to in each is kept in the run's `evaluations/`, so that other
        tasks or another stage do not measure again what has not changed.
        """
        built = _measured(files, files.built_child(), folder / "built.json")
        final_child = files.child_after(self.last_stage)
        unchanged = final_child.resolve() == files.built_child().resolve()
        final = built if unchanged else _measured(files, final_child, folder / "final.json")
        predicted = files.json(f"{SOLVE}/solution.json")["predicted"]
        if self.settings is not None:
            self._do_tasks(self.settings, files, folder)
        write_json(folder / "evaluation.json", {"predicted": predicted, "built": built, "final": final})

    def _do_tasks(self, settings: EvaluationSettings, files: RunFiles, folder: Path) -> None:
        from blockwright.evaluating.evaluating import evaluate_models
        from blockwright.evaluating.of_runs import learned_questions, models_of
        from blockwright.evaluating.store import ResultStore

        models = models_of(files, self.steps, settings.models)
        learned = learned_questions(files.directory, self.steps)
        comparison = evaluate_models(models, settings, ResultStore(files.directory / EVALUATIONS), learned)
        write_json(folder / TASKS, comparison.model_dump(mode="json"))


def _measured(files: RunFiles, child: Path, record: Path) -> dict[str, object]:
    """The child's figures, measured unless a killed run has written them."""
    from blockwright.child.checkpoint import open_child
    from blockwright.models.evaluation import evaluate

    if not record.exists():
        measured = evaluate(files.parent.stack(), open_child(child), files.tokens["evaluation"])
        write_json(record, measured.to_dict())
        emit("child_evaluated", child=record.stem, kl_nats_per_token=measured.kl_nats_per_token)
    return files.json(str(record.relative_to(files.directory)))
