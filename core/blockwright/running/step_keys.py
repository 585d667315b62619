"""What each step of a run depends on, as keys: a step whose key is that of its finished folder is not run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from blockwright.recipes.parent_outline import fingerprint
from blockwright.recipes.recipe import Recipe
from blockwright.running.directory import step_key
from blockwright.running.files import BASE, BUILD, COSTS, LIBRARY, PARENT, SCORES, SOLVE
from blockwright.running.later_steps import LaterSteps
from blockwright.running.versions import version_of
from blockwright.sharing.parcel import MANIFEST
from blockwright.stages import StageOptions

if TYPE_CHECKING:
    from blockwright.recipes.checking import CheckedRecipe


def later_steps(recipe: Recipe) -> LaterSteps:
    sections = recipe.transform_sections, recipe.stage_sections, recipe.export_sections
    return LaterSteps.of(*([name for name, _ in section] for section in sections))


def plan_keys(checked: CheckedRecipe) -> dict[str, str]:
    """The key of each step, in order."""
    recipe, make = checked.recipe, _KeyMaker(checked)
    space, kinds = checked.space_labels, sorted({spec.kind for specs in checked.space.values() for spec in specs})
    learns_from = make.parent(training=True)
    keys, made_from = {PARENT: make.parent()}, [learns_from]
    if checked.before is not None:
        before = plan_keys(checked.before)
        *_, healed = [BUILD, *later_steps(checked.before.recipe).stages]
        keys[BASE] = make(BASE, {}, [before[healed]])
        made_from.append(keys[BASE])
    keys[LIBRARY] = make(
        LIBRARY, {"space": space, "library": recipe.library, "shared": _shared(recipe)}, made_from, kinds
    )
    keys[SCORES] = make(SCORES, recipe.scorer, [keys[LIBRARY]], [recipe.scorer.name])
    cost_model = checked.made.cost_model
    priced = {
        "space": space,
        "scenarios": dict(recipe.all_scenarios),
        "budget": recipe.budget,
        "batches": list(recipe.search.batches),
        "cost_model": cost_model.options,
        "hardware": cost_model.hardware and cost_model.hardware.fingerprint,
    }
    joins = {} if checked.join_limits is None else {"joins": asdict(checked.join_limits)}
    keys[COSTS] = make(COSTS, priced | ({"joins": True} if joins else {}), [learns_from], [cost_model.name, *kinds])
    inputs = [keys[LIBRARY], keys[SCORES], keys[COSTS]]
    solved = {"solver": recipe.solver, "search": recipe.search, **joins}
    keys[SOLVE] = make(SOLVE, solved, inputs, [recipe.solver.name, *recipe.search.starts])
    keys[BUILD] = make(BUILD, {}, [keys[LIBRARY], keys[SOLVE]])
    last, later = keys[BUILD], later_steps(recipe)
    for step, (name, options) in zip(later.transforms, recipe.transform_sections, strict=True):
        last = keys[step] = make(step, options, [last], [name])
    for step, (name, options), stage in zip(later.stages, recipe.stage_sections, checked.made.stages, strict=True):
        last = keys[step] = make(step, _decisive(options, stage.options), [last], [name])
    step = later.evaluation
    keys[step] = make(step, _tasks(recipe), [keys[PARENT], keys[BUILD], last])
    for export, (name, options) in zip(later.exports, recipe.export_sections, strict=True):
        keys[export] = make(export, options, [last, keys[step]], [name])
    return keys


def _decisive(given: Mapping[str, object], options: StageOptions) -> dict[str, object]:
    """The given options that the result depends on, and the state of the files that they name."""
    decisive = {name: value for name, value in given.items() if name not in options.without_effect}
    fingerprint = options.fingerprint()
    return decisive if fingerprint is None else {**decisive, "fingerprint": fingerprint}


def _tasks(recipe: Recipe) -> dict[str, object]:
    """What models are asked; how many questions at once changes nothing."""
    if recipe.evaluation is None:
        return {}
    return {"tasks": recipe.evaluation.model_dump(mode="json", exclude={"batch_size"})}


def _shared(recipe: Recipe) -> str | None:
    """What a shared library's list says, so that another library in the same folder is taken anew."""
    if recipe.library.shared is None:
        return None
    manifest = Path(recipe.library.shared) / MANIFEST
    return manifest.read_text() if manifest.is_file() else None


class _KeyMaker:
    """Makes keys that all hold the recipe's seed and the versions of the engine and of the plugins that take part."""

    def __init__(self, checked: CheckedRecipe) -> None:
        self._recipe, self._plugins = checked.recipe, checked.plugins
        self._files = fingerprint(checked.recipe.parent)

    def __call__(self, step: str, config: object, inputs: Iterable[str] = (), plugins: Iterable[str] = ()) -> str:
        versions = {name: self._plugins.version_of(name) for name in plugins}
        versions["blockwright"] = version_of("blockwright") or "unknown"
        return step_key(step, plain(config), tuple(inputs), versions, self._recipe.seed)

    def parent(self, training: bool = False) -> str:
        """Of the parent and its texts; `training` leaves out the evaluation text, which nothing learns from."""
        text = self._recipe.text.model_dump(mode="json")
        kept = {name: value for name, value in text.items() if not (training and name.startswith("evaluation"))}
        return self(PARENT, {"parent": self._recipe.parent, "files": self._files, "text": kept})


def plain(config: object) -> object:
    """Settings as JSON has them."""
    if isinstance(config, BaseModel):
        return config.model_dump(mode="json")
    if isinstance(config, dict):
        return {key: plain(value) for key, value in config.items()}
    return config
