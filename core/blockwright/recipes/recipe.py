"""The recipe: what to search, build and heal, as frozen values read from YAML and `key=value` overrides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from blockwright.construction import LibrarySettings
from blockwright.costs import Scenario
from blockwright.evaluating.settings import EvaluationSettings
from blockwright.files import write_atomically
from blockwright.parent import ParentSettings
from blockwright.recipes.budget import Budget
from blockwright.searching.pricing import MAIN
from blockwright.searching.search import SearchSettings
from blockwright.text.sets import TextSettings


class PluginSection(BaseModel):
    """A plugin by its name, with its own options beside it, which its own `Options` model checks."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @property
    def options(self) -> Mapping[str, object]:
        return dict(self.__pydantic_extra__ or {})


def _one_transform(entry: object) -> object:
    return _named(entry, "a transform", "ffn-fusion: {max_width: 8192}")


def _one_stage(entry: object) -> object:
    return _named(entry, "a stage", "refit: {rounds: 2}")


def _one_export(entry: object) -> object:
    return _named(entry, "an export", "gguf: {precision: q8_0}")


def _named(entry: object, what: str, example: str) -> object:
    if isinstance(entry, str):
        return {entry: {}}
    if isinstance(entry, Mapping) and len(entry) == 1 and all(isinstance(key, str) for key in entry):
        return entry
    raise ValueError(f"{what} is written as its name, or as its name with options, like `{example}`")


def _a_space(value: object) -> object:
    if isinstance(value, str | Mapping):
        return value
    raise ValueError("expected the name of a search space, a path to a YAML file, or the space itself")


class Recipe(BaseModel):
    """All of a recipe. Plugin sections and the space are checked against the plugins and the parent in `checking`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    parent: ParentSettings
    space: Annotated[object, AfterValidator(_a_space)] = "puzzle"
    text: TextSettings
    library: LibrarySettings = LibrarySettings()
    scorer: PluginSection = PluginSection(name="fisher")
    hardware: str | None = None
    cost_model: PluginSection | None = None
    scenario: Scenario = Scenario()
    scenarios: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], Scenario] = {}
    budget: Budget
    solver: PluginSection = PluginSection(name="highs")
    search: SearchSettings = SearchSettings()
    transforms: tuple[Annotated[object, AfterValidator(_one_transform)], ...] = ()
    stages: tuple[Annotated[object, AfterValidator(_one_stage)], ...] = ()
    evaluation: EvaluationSettings | None = None
    exports: tuple[Annotated[object, AfterValidator(_one_export)], ...] = ()
    executor: PluginSection = PluginSection(name="in-process")
    runs: str = "runs"
    seed: int = Field(default=0, ge=0, lt=2**63)

    @field_validator("scenarios")
    @classmethod
    def _leaves_the_main_name(cls, scenarios: Mapping[str, Scenario]) -> Mapping[str, Scenario]:
        if MAIN in scenarios:
            raise ValueError(f"'{MAIN}' is the recipe's own; call this one otherwise")
        return scenarios

    @property
    def all_scenarios(self) -> Mapping[str, Scenario]:
        """The recipe's own scenario first, under the name that prices have for it."""
        return {MAIN: self.scenario, **self.scenarios}

    @property
    def tasks(self) -> EvaluationSettings | None:
        """What models are asked; perplexity is that of the evaluation text where no other is named."""
        if self.evaluation is None or self.evaluation.text:
            return self.evaluation
        return self.evaluation.model_copy(update={"text": self.text.evaluation})

    @property
    def transform_sections(self) -> tuple[tuple[str, Mapping[str, object]], ...]:
        """Transforms in order, each as its name and its options."""
        return _sections(self.transforms)

    @property
    def stage_sections(self) -> tuple[tuple[str, Mapping[str, object]], ...]:
        """Stages in order, each as its name and its options."""
        return _sections(self.stages)

    @property
    def export_sections(self) -> tuple[tuple[str, Mapping[str, object]], ...]:
        """Exports in order, each as its name and its options."""
        return _sections(self.exports)


def _sections(entries: Iterable[object]) -> tuple[tuple[str, Mapping[str, object]], ...]:
    sections = []
    for entry in entries:
        assert isinstance(entry, Mapping)
        ((name, options),) = entry.items()
        sections.append((str(name), dict(options or {})))
    return tuple(sections)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Writes the recipe with every default filled in; reading it again gives the same recipe."""
    with write_atomically(path) as beside:
        beside.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
