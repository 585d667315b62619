"""What models came to in tasks, as a table: a row a measure, a column a model."""

from __future__ import annotations

from blockwright.evaluating.comparison import Comparison, Row, shown, shown_error
from blockwright.terminal.tables import Summary, Table


def comparison_summary(comparison: Comparison) -> Summary:
    return Summary(comparison.model_dump(mode="json"), [comparison_table(comparison)])


def comparison_table(comparison: Comparison) -> Table:
    rows = [(_in_words(row), *(_with_error(row, model) for model in comparison.models)) for row in comparison.rows]
    return Table("In tasks", ("task", *comparison.models), rows)


def _in_words(row: Row) -> str:
    """`chain-sum, thinking on: accuracy (100 questions)`."""
    mode = "" if row.mode is None else f", thinking {row.mode}"
    questions = f" ({row.questions} questions)" if row.questions and row.measure == "accuracy" else ""
    return f"{row.task}{mode}: {row.measure}{questions}"


def _with_error(row: Row, model: str) -> str:
    return f"{shown(row, row.values.get(model))} {shown_error(row, model)}".rstrip()
