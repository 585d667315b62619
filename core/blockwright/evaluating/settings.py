"""The recipe's `evaluation` section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from blockwright.errors import UserError
from blockwright.post_training.thinking import MODES, ModeInYaml
from blockwright.text.mixture import Source, name_of
from blockwright.text.sources import refuse_what_is_no_source


class EvaluationSettings(BaseModel):
    """Which tasks, how much of each, and on which models.

    `tasks`: names of tasks and suites that ship (`offline` is all of them), YAML files of your own, and tasks of the
    lm-eval harness as `lm-eval:NAME`. `modes`: the thinking modes. `questions` and `answer_tokens` take the place of
    the tasks' own numbers. `models`: `all` are the parent, the child as it was built and what each transform and stage
    left; `ends` the parent and the last child. `text`: what perplexity is measured on, in place of the tasks' own; a
    run's is its evaluation text. `batch_size`: questions that are answered at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] = ("offline",)
    modes: Annotated[tuple[ModeInYaml, ...], Field(min_length=1)] = MODES
    questions: PositiveInt | None = None
    answer_tokens: PositiveInt | None = None
    models: Literal["all", "ends"] = "all"
    text: tuple[Source, ...] = ()
    batch_size: PositiveInt = 32

    @field_validator("tasks")
    @classmethod
    def _are_known(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        from blockwright.evaluating.tasks import tasks_named

        try:
            tasks_named(tasks)
        except UserError as error:
            raise ValueError("; ".join(error.lines)) from None
        return tasks

    @field_validator("text")
    @classmethod
    def _can_be_read(cls, text: tuple[Source, ...]) -> tuple[Source, ...]:
        for source in text:
            refuse_what_is_no_source(name_of(source))
        return text
