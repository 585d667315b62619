"""Tasks as data: those that ship are YAML in `offline_tasks`, a stranger's are files that look the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError

from blockwright.errors import UserError, did_you_mean
from blockwright.post_training.questions import GeneratorSource
from blockwright.recipes.locations import line_of, read_text, read_yaml
from blockwright.recipes.mistakes import mistakes_of
from blockwright.resources import named_files

SHIPPED = Path(__file__).with_name("offline_tasks")
HARNESS = "lm-eval:"


class _Asking(GeneratorSource):
    """Questions of one of reasoning-gym's generators, with its own `config`; always the same ones for a `seed`."""

    name: str
    count: PositiveInt = Field(default=100, alias="questions")
    answer_tokens: PositiveInt = 256


class GenerateTask(_Asking):
    """The model answers in its own words, and the generator says whether that is right."""

    kind: Literal["generate"]


class ChoiceTask(_Asking):
    """The model says which of some answers is the likeliest; the wrong ones are other questions' answers.

    With thinking on it first thinks in its own words, for at most `answer_tokens`.
    """

    kind: Literal["choice"]
    choices: Annotated[int, Field(ge=2, le=10)] = 4


class PerplexityTask(BaseModel):
    """How well the model predicts text, of which so many `tokens` are read, or what there is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["perplexity"]
    name: str
    text: Annotated[tuple[str, ...], Field(min_length=1)]
    tokens: PositiveInt = 16384
    sequence_length: Annotated[int, Field(ge=8)] = 512
    seed: int = 0


class HarnessTask(BaseModel):
    """A task or group of the lm-eval harness by its name there; `questions` limits it.

    With thinking on a reply may be `answer_tokens` longer than the task says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["lm-eval"]
    name: str
    questions: PositiveInt | None = None
    answer_tokens: PositiveInt = 512

    @property
    def harness_name(self) -> str:
        return self.name.removeprefix(HARNESS)


class _Suite(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["suite"]
    name: str
    tasks: Annotated[tuple[str, ...], Field(min_length=1)]


AskingTask = GenerateTask | ChoiceTask
Task = GenerateTask | ChoiceTask | PerplexityTask | HarnessTask
_FORMS: Mapping[str, type[BaseModel]] = {
    "generate": GenerateTask,
    "choice": ChoiceTask,
    "perplexity": PerplexityTask,
    "suite": _Suite,
}


def tasks_named(names: Iterable[str]) -> tuple[Task, ...]:
    """Suites written out, each task once; UserError for names that are none and files that are wrong."""
    found: dict[str, Task] = {}
    for name in names:
        for task in _named(name):
            found.setdefault(task.name, task)
    return tuple(found.values())


def shipped_tasks() -> tuple[str, ...]:
    """The names of all tasks and suites that ship."""
    return tuple(named_files([SHIPPED]))


def _named(name: str, outer: tuple[str, ...] = ()) -> Iterator[Task]:
    if name.startswith(HARNESS):
        from blockwright.evaluating.harness import refuse_unknown

        refuse_unknown(name.removeprefix(HARNESS))
        yield HarnessTask(kind="lm-eval", name=name)
        return
    file = _file(name)
    read = _read(file)
    if not isinstance(read, _Suite):
        yield read
        return
    if name in outer:
        raise UserError(f"{file}: the suite '{name}' holds itself")
    for each in read.tasks:
        yield from _named(each, (*outer, name))


def _file(name: str) -> Path:
    shipped = named_files([SHIPPED])
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    if name not in shipped:
        raise UserError(
            f"no task is called '{name}'{did_you_mean(name, shipped)} (a task of lm-eval is written {HARNESS}{name})"
        )
    return shipped[name]


def _read(file: Path) -> Task | _Suite:
    data = read_yaml(file)
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(data, dict) or kind not in _FORMS:
        raise UserError(f"{file}:1: a task has a `kind`: {', '.join(_FORMS)}")
    form: Any = _FORMS[str(kind)]
    try:
        read: Task | _Suite = TypeAdapter(form).validate_python({"name": file.stem, **data})
    except ValidationError as error:
        text = read_text(file)
        mistakes = mistakes_of(error, form)
        raise UserError(
            *(f"{file}:{line_of(text, one.path)}: {one.dotted}: {one.message}" for one in mistakes)
        ) from None
    return read
