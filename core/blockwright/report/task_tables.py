"""What models came to in tasks: a table a task, with a row for each mode and measure."""

from __future__ import annotations

from dataclasses import dataclass

from blockwright.evaluating.comparison import Comparison, Row, Sample, shown, shown_error


@dataclass(frozen=True)
class Cell:
    """One model's value and its standard error in words."""

    text: str
    error: str
    is_best: bool


@dataclass(frozen=True)
class Line:
    """One measure in one mode, by model in the comparison's order."""

    words: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TaskTable:
    """One task of all models, and what the last of them replied to its first questions."""

    task: str
    questions: int | None
    models: tuple[str, ...]
    lines: tuple[Line, ...]
    samples: tuple[Sample, ...]


def task_tables(comparison: Comparison | None) -> tuple[TaskTable, ...]:
    """In the order in which the recipe names the tasks."""
    if comparison is None:
        return ()
    return tuple(_table(task, comparison) for task in dict.fromkeys(row.task for row in comparison.rows))


def _table(task: str, comparison: Comparison) -> TaskTable:
    rows = [row for row in comparison.rows if row.task == task]
    questions = next((row.questions for row in rows if row.questions), None)
    lines = tuple(Line(_words(row), _cells(row, comparison.models)) for row in rows)
    return TaskTable(task, questions, comparison.models, lines, tuple(s for s in comparison.samples if s.task == task))


def _words(row: Row) -> str:
    return row.measure if row.mode is None else f"{row.measure}, thinking {row.mode}"


def _cells(row: Row, models: tuple[str, ...]) -> tuple[Cell, ...]:
    best = max(row.values.values(), default=0.0) if row.measure == "accuracy" else None
    return tuple(
        Cell(
            shown(row, row.values.get(model)),
            shown_error(row, model),
            is_best=best is not None and row.values.get(model) == best,
        )
        for model in models
    )
