"""`reasoning-gym:TASK[,TASK]`: questions with answers, made by the package reasoning-gym without end."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from blockwright.errors import UserError, did_you_mean
from blockwright.text.sources.reading import Reading

QUESTIONS = 100_000  # of each task; made one at a time, when they are asked for


def read(argument: str, reading: Reading) -> Iterator[str]:
    """One document a question, the tasks in turn."""
    tasks = [task.strip() for task in argument.split(",") if task.strip()]
    known = _known_tasks()
    wrong = [
        f"text: reasoning-gym has no task '{task}'{did_you_mean(task, known)}" for task in tasks if task not in known
    ]
    if wrong:
        raise UserError(*wrong)
    if not tasks:
        raise UserError("text: reasoning-gym needs a task, like reasoning-gym:gsm_symbolic,basic_arithmetic")
    return _questions(tasks, reading.random.randrange(2**31))


def _known_tasks() -> frozenset[str]:
    try:
        return frozenset(importlib.import_module("reasoning_gym.factory").DATASETS)
    except ModuleNotFoundError:
        raise UserError("text: the source reasoning-gym needs a package; type `pip install reasoning-gym`") from None


def _questions(tasks: list[str], seed: int) -> Iterator[str]:
    gym = importlib.import_module("reasoning_gym")
    made = [gym.create_dataset(task, size=QUESTIONS, seed=seed) for task in tasks]
    for index in range(QUESTIONS):
        for dataset in made:
            entry = dataset[index]
            yield f"{entry['question']}\n{entry['answer']}\n"
