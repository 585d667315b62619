"""Models through tasks, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from blockwright.evaluating.comparison import Comparison
from blockwright.evaluating.doing import do_task
from blockwright.evaluating.models import EvaluatedModel
from blockwright.evaluating.results import TaskResult
from blockwright.evaluating.settings import EvaluationSettings
from blockwright.evaluating.store import ResultStore
from blockwright.evaluating.tasks import ChoiceTask, GenerateTask, HarnessTask, PerplexityTask, Task, tasks_named
from blockwright.events import emit
from blockwright.post_training.thinking import Mode
from blockwright.text.mixture import name_of


def evaluate_models(
    folders: Mapping[str, Path],
    settings: EvaluationSettings,
    store: ResultStore,
    learned: Collection[str] = frozenset(),
) -> Comparison:
    """All tasks on all models, by the names that the table has for them; what the store has is not done again.

    Questions in `learned` are left out of every figure. UserError for text that cannot be read.
    """
    tasks = [adapted(task, settings) for task in tasks_named(settings.tasks)]
    jobs = [(task, mode) for task in tasks for mode in _modes(task, settings)]
    found: dict[str, Sequence[TaskResult]] = {}
    for place, (name, folder) in enumerate(folders.items()):
        evaluated = EvaluatedModel(name, folder)
        results = list(_of_model(evaluated, jobs, store, settings.batch_size))
        found[name] = [result.without(learned) for result in results]
        emit("model_evaluated", done=place + 1, total=len(folders), model=name)
    return Comparison.of(found)


def adapted(task: Task, settings: EvaluationSettings) -> Task:
    """With the settings' numbers and text in place of the task's own."""
    changes: dict[str, object] = {}
    if isinstance(task, GenerateTask | ChoiceTask | HarnessTask):
        counted = "questions" if isinstance(task, HarnessTask) else "count"
        changes |= {counted: settings.questions} if settings.questions else {}
        changes |= {"answer_tokens": settings.answer_tokens} if settings.answer_tokens else {}
    if isinstance(task, PerplexityTask) and settings.text:
        changes["text"] = tuple(name_of(source) for source in settings.text)
    return task.model_copy(update=changes)


def _modes(task: Task, settings: EvaluationSettings) -> Sequence[Mode | None]:
    return [None] if isinstance(task, PerplexityTask) else settings.modes


def _of_model(
    evaluated: EvaluatedModel, jobs: Sequence[tuple[Task, Mode | None]], store: ResultStore, batch_size: int
) -> Iterator[TaskResult]:
    for done, (task, mode) in enumerate(jobs, start=1):
        result = store.find(evaluated, task, mode)
        if result is None:
            result = do_task(task, mode, evaluated, batch_size)
            store.keep(evaluated, task, mode, result)
        emit("task_done", done=done, total=len(jobs), model=evaluated.name, task=task.name, thinking=mode)
        yield result
