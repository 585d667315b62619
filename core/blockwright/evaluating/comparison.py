"""Results of several models as one table, as data and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from blockwright.evaluating.results import TaskResult
from blockwright.post_training.thinking import Mode

SHARES = ("accuracy", "well-formed", "follows the toggle")
SAMPLES = 2  # replies that are kept of each task and mode, for people to read


class Row(BaseModel):
    """One measure of one task in one mode, by model; `questions` is how many it counts, `errors` standard errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    mode: Mode | None
    measure: str
    values: Mapping[str, float]
    errors: Mapping[str, float] = {}
    questions: int | None = None


class Sample(BaseModel):
    """What one model replied to one question."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    mode: Mode
    model: str
    question: str
    answer: str
    reply: str
    right: bool


class Comparison(BaseModel):
    """All models in all tasks; models in the order in which they were made."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    models: tuple[str, ...]
    rows: tuple[Row, ...]
    samples: tuple[Sample, ...] = ()

    @classmethod
    def of(cls, results: Mapping[str, Sequence[TaskResult]]) -> Comparison:
        """Results by model, each model's in the same order; samples are the last model's."""
        models = tuple(results)
        together = list(zip(*results.values(), strict=True)) if results else []
        rows = [row for each in together for row in _rows(dict(zip(models, each, strict=True)))]
        samples = (
            [sample for result in results[models[-1]] for sample in _samples(models[-1], result)] if models else []
        )
        return cls(models=models, rows=tuple(rows), samples=tuple(samples))


def _rows(results: Mapping[str, TaskResult]) -> list[Row]:
    """Of one task in one mode."""
    first = next(iter(results.values()))
    measures = list(dict.fromkeys(name for result in results.values() for name in result.measures))
    errors = {model: result.error for model, result in results.items()}
    return [
        Row(
            task=first.task,
            mode=first.mode,
            measure=measure,
            values={model: result.measures[measure] for model, result in results.items() if measure in result.measures},
            errors={m: e for m, e in errors.items() if e is not None} if measure == "accuracy" else {},
            questions=len(first.answered) or None,
        )
        for measure in measures
    ]


def _samples(model: str, result: TaskResult) -> list[Sample]:
    if result.mode is None:
        return []
    return [
        Sample(
            task=result.task, mode=result.mode, model=model, question=one.question, answer=one.answer,
            reply=one.reply, right=one.right,
        )
        for one in result.answered[:SAMPLES]
    ]  # fmt: skip


def shown(row: Row, value: float | None) -> str:
    """`41.0%` of a share, `12.34` of anything else, `–` where a model has none."""
    if value is None:
        return "–"
    return f"{value:.1%}" if row.measure in SHARES else f"{value:.4g}"


def shown_error(row: Row, model: str) -> str:
    """`±4.9`, in percentage points; nothing where it is not known."""
    return f"±{100 * row.errors[model]:.1f}" if model in row.errors else ""
