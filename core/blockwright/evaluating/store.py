"""Results by what they depend on, a file each: what was measured once is not measured again, killed or not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from blockwright.evaluating.results import TaskResult
from blockwright.evaluating.tasks import HarnessTask, Task
from blockwright.files import write_json
from blockwright.post_training.thinking import Mode
from blockwright.running.versions import version_of

if TYPE_CHECKING:
    from blockwright.evaluating.models import EvaluatedModel


@dataclass(frozen=True)
class ResultStore:
    """Files `MODEL/TASK-MODE-KEY.json`; the model's folder is called after its content."""

    folder: Path

    def find(self, evaluated: EvaluatedModel, task: Task, mode: Mode | None) -> TaskResult | None:
        """None for what was not measured, or not by these versions."""
        try:
            return TaskResult.model_validate(json.loads(self._path(evaluated, task, mode).read_text()))
        except (FileNotFoundError, json.JSONDecodeError, ValidationError):
            return None

    def keep(self, evaluated: EvaluatedModel, task: Task, mode: Mode | None, result: TaskResult) -> None:
        write_json(self._path(evaluated, task, mode), result.model_dump(mode="json"))

    def _path(self, evaluated: EvaluatedModel, task: Task, mode: Mode | None) -> Path:
        plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in task.name)
        name = "-".join([plain, *([mode] if mode else []), _key(task, mode)])
        return self.folder / evaluated.fingerprint / f"{name}.json"


def _key(task: Task, mode: Mode | None) -> str:
    """Of the task's definition and of what makes its questions and answers."""
    packages = ["blockwright", "transformers", "lm_eval" if isinstance(task, HarnessTask) else "reasoning_gym"]
    parts = [task.model_dump(mode="json"), mode, [version_of(package) for package in packages]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
