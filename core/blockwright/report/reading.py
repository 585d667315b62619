"""Reads a run directory as far as its steps are done, with no plugin and no model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from blockwright.errors import UserError, first_line
from blockwright.evaluating.comparison import Comparison
from blockwright.files import read_record
from blockwright.recipes.locations import load_yaml, read_text
from blockwright.report.records import (
    ChildConfig,
    Costs,
    Evaluation,
    ExportOutcome,
    Search,
    StageOutcome,
    TextRead,
    TransformOutcome,
)
from blockwright.running.directory import RunDirectory
from blockwright.running.files import BASE, BUILD, COSTS, ITERATIONS, LIBRARY, PARENT, SCORES, SOLVE, TASKS
from blockwright.running.later_steps import LaterSteps
from blockwright.running.log import LOG
from blockwright.scoring import ScoresOrigin

Value = TypeVar("Value")
DecisionTable = Mapping[str, Mapping[str, Mapping[str, float]]]  # nats per token, by sub-block, label and way
ScoreTable = Mapping[str, Mapping[str, float]]  # nats per token, by sub-block and variant label


@dataclass(frozen=True)
class Record:
    """One run. What a step that is not done would tell is None or empty."""

    directory: Path

    @cached_property
    def recipe_text(self) -> str:
        if not (self.directory / "recipe.yaml").is_file():
            raise UserError(f"{self.directory}: no run is here, a run's folder holds recipe.yaml")
        return read_text(self.directory / "recipe.yaml")

    @cached_property
    def recipe(self) -> Mapping[str, object]:
        found = load_yaml(self.recipe_text, self.directory / "recipe.yaml")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        return str(self.recipe.get("name", self.directory.name))

    @property
    def parent_name(self) -> str:
        """As the recipe writes it; of a GGUF file, the file's name."""
        section = self.recipe.get("parent")
        parent = section if isinstance(section, dict) else {}
        return str(parent.get("gguf_file") or parent.get("model") or "an unnamed parent")

    @property
    def is_dry(self) -> bool:
        """Whether the parent's weights are left out."""
        section = self.recipe.get("parent")
        return isinstance(section, dict) and section.get("weights") is False

    @cached_property
    def scores_origin(self) -> ScoresOrigin:
        """Runs of before it was kept had scores in nats."""
        if not (self.directory / SCORES / "origin.json").is_file():
            return ScoresOrigin("")
        return self._of(SCORES, "origin.json", ScoresOrigin) or ScoresOrigin("")

    @cached_property
    def later(self) -> LaterSteps:
        """The steps after the build that the recipe asks for."""
        return LaterSteps.of(*(_names_listed(self.recipe.get(key)) for key in ("transforms", "stages", "exports")))

    @property
    def steps(self) -> tuple[str, ...]:
        """All that the recipe asks for, in order."""
        base = [BASE] if (self.directory / BASE).is_dir() else []
        made, later = (PARENT, *base, LIBRARY, SCORES, COSTS, SOLVE), self.later
        if self.is_dry:
            return made
        return (*made, BUILD, *later.transforms, *later.stages, later.evaluation, *later.exports)

    @cached_property
    def seconds(self) -> Mapping[str, float]:
        """Of the finished steps, in order; what stands after a step that is not done is out of date, and left out."""
        run = RunDirectory(self.directory)
        found = ((step, run.seconds(step)) for step in self.steps)
        return {
            step: seconds for step, seconds in takewhile(lambda one: one[1] is not None, found) if seconds is not None
        }

    @cached_property
    def iterations(self) -> tuple[Record, ...]:
        """The runs that a search in steps has made before this one, in order, as far as it has come."""
        found = [recipe.parent for recipe in self.directory.glob(f"{ITERATIONS}/*/recipe.yaml")]
        numbered = sorted((int(folder.name), folder) for folder in found if folder.name.isdigit())
        return tuple(Record(folder) for _, folder in numbered)

    @property
    def missing(self) -> tuple[str, ...]:
        """The steps that are still to come."""
        return tuple(step for step in self.steps if step not in self.seconds)

    @cached_property
    def versions(self) -> Mapping[str, object]:
        return read_record(self.directory / "versions.json")

    @cached_property
    def decisions(self) -> DecisionTable:
        """What each way of building a variant was expected to lose on held-back text, where the library says so."""
        if not (self.directory / LIBRARY / "decisions.json").is_file():
            return {}
        return self._of(LIBRARY, "decisions.json", dict[str, dict[str, dict[str, float]]]) or {}

    @cached_property
    def scores(self) -> ScoreTable:
        return self._of(SCORES, "scores.json", dict[str, dict[str, float]]) or {}

    @cached_property
    def costs(self) -> Costs | None:
        return self._of(COSTS, "costs.json", Costs)

    @cached_property
    def search(self) -> Search | None:
        return self._of(SOLVE, "solution.json", Search)

    @cached_property
    def child_config(self) -> ChildConfig | None:
        return self._of(BUILD, "child/config.json", ChildConfig)

    @cached_property
    def transforms(self) -> Mapping[str, TransformOutcome]:
        """What the finished transforms did, by step."""
        found = {step: self._of(step, "transform.json", TransformOutcome) for step in self.later.transforms}
        return {step: outcome for step, outcome in found.items() if outcome}

    @cached_property
    def stages(self) -> Mapping[str, StageOutcome]:
        """What the finished stages say of themselves, by step."""
        found = {step: self._of(step, "stage.json", StageOutcome) for step in self.later.stages}
        return {step: outcome for step, outcome in found.items() if outcome}

    @cached_property
    def evaluation(self) -> Evaluation | None:
        return self._of(self.later.evaluation, "evaluation.json", Evaluation)

    @cached_property
    def comparison(self) -> Comparison | None:
        """What parent, child and what each stage left came to in tasks, where the recipe names some."""
        if not (self.directory / self.later.evaluation / TASKS).is_file():
            return None
        return self._of(self.later.evaluation, TASKS, Comparison)

    @cached_property
    def exports(self) -> Mapping[str, ExportOutcome]:
        """What is ready to serve, by step."""
        found = {step: self._of(step, "export.json", ExportOutcome) for step in self.later.exports}
        return {step: outcome for step, outcome in found.items() if outcome}

    @cached_property
    def token_sets(self) -> Mapping[str, tuple[int, int]]:
        """Sequences and tokens a sequence of each set; only the file's header is read."""
        from blockwright.models.weights import opened

        path = self.directory / PARENT / "tokens.safetensors"
        if PARENT not in self.seconds:
            return {}
        with opened(path, "np") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118, no mapping
        return dict(sorted(shapes.items(), key=lambda item: (item[0] == "evaluation", item[0])))

    @cached_property
    def text_read(self) -> tuple[TextRead, ...]:
        """The sources as they were last read, from the log."""
        last: list[TextRead] = []
        for event in _events(self.directory / LOG):
            if event.get("event") == "step_started" and event.get("step") == PARENT:
                last.clear()
            if event.get("event") == "text_read":
                last.append(TextRead.model_validate(event))
        return tuple(sorted(last, key=lambda read: (read.set, read.source)))

    def _of(self, step: str, name: str, kind: type[Value]) -> Value | None:
        """A step's file, None while the step is not done."""
        path = self.directory / step / name
        if step not in self.seconds:
            return None
        try:
            return TypeAdapter(kind).validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            folder = self.directory / step
            raise UserError(
                f"{path}: cannot be read ({first_line(error)}); remove {folder} and type `blockwright run` again"
            ) from error


def _names_listed(entries: object) -> list[str]:
    """Of a section that lists plugins by name, each with its options or without."""
    listed = entries if isinstance(entries, list) else []
    return [str(next(iter(entry))) if isinstance(entry, dict) else str(entry) for entry in listed]


def _events(path: Path) -> Iterator[Mapping[str, object]]:
    """Lines that a kill has cut are passed over."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict):
                yield event
