"""The recipe: what to search, build and heal, as frozen values read from YAML and `key=value` overrides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from blockwright.construction import LibrarySettings
from blockwright.costs import Scenario
from blockwright.evaluating.settings import EvaluationSettings
from blockwright.files import write_atomically
from blockwright.iterating.settings import Iterations
from blockwright.parent import ParentSettings
from blockwright.recipes.budget import Budget
from blockwright.recipes.sections import one_export, one_stage, one_transform, sections
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
    iterations: Iterations | None = None
    transforms: tuple[Annotated[object, AfterValidator(one_transform)], ...] = ()
    stages: tuple[Annotated[object, AfterValidator(one_stage)], ...] = ()
    evaluation: EvaluationSettings | None = None
    exports: tuple[Annotated[object, AfterValidator(one_export)], ...] = ()
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
        return sections(self.transforms)

    @property
    def stage_sections(self) -> tuple[tuple[str, Mapping[str, object]], ...]:
        """Stages in order, each as its name and its options."""
        return sections(self.stages)

    @property
    def export_sections(self) -> tuple[tuple[str, Mapping[str, object]], ...]:
        """Exports in order, each as its name and its options."""
        return sections(self.exports)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Writes the recipe with every default filled in; reading it again gives the same recipe."""
    with write_atomically(path) as beside:
        beside.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
