"""A plugin's section of the recipe, checked against the plugin's own options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from blockwright.costs import CostModel
from blockwright.costs.choosing import best_cost_model
from blockwright.errors import UserError, did_you_mean
from blockwright.hardware.files import find_profile
from blockwright.hardware.profile import HardwareProfile
from blockwright.problem import Solver
from blockwright.recipes.mistakes import KeyPath, Mistake, mistakes_of

PluginT = TypeVar("PluginT")
Made = tuple[PluginT | None, list[Mistake]]


class NoOptions(BaseModel):
    """Of a plugin class that has none, such as a cost model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def make_plugin(
    known: Mapping[str, type[PluginT]], word: str, name: str, options: object, at: KeyPath
) -> Made[PluginT]:
    """The plugin called `name`, made with its options, or what is wrong with its name or with them."""
    if name not in known:
        return None, [Mistake(at, f"no {word} is called '{name}'{did_you_mean(name, known)}")]
    plugin = known[name]
    model: type[BaseModel] = getattr(plugin, "Options", NoOptions)
    try:
        made = model.model_validate(options)
    except ValidationError as error:
        options_at = at[:-1] if at[-1:] == ("name",) else at
        return None, [mistake.under(*options_at) for mistake in mistakes_of(error, model)]
    return (plugin() if model is NoOptions else plugin(made)), []  # type: ignore[call-arg]


def make_named(known: Mapping[str, type[PluginT]], section: str, data: object, default: str) -> Made[PluginT]:
    """Of a section like `solver: {name: highs, seconds: 5}`; the recipe's own check tells what is no mapping."""
    if data is None:
        data = {"name": default}
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
        return None, []
    options = {key: value for key, value in data.items() if key != "name"}
    return make_plugin(known, section.replace("_", " "), data["name"], options, (section, "name"))


def make_starts(known: Mapping[str, type[Solver]], data: object) -> tuple[dict[str, Solver], list[Mistake]]:
    """Of `search: {starts: [uniform, greedy]}`: solvers with their own defaults."""
    names = data.get("starts") if isinstance(data, Mapping) else None
    made: dict[str, Solver] = {}
    mistakes: list[Mistake] = []
    for index, name in enumerate(names if isinstance(names, list) else []):
        solver, wrong = make_plugin(known, "solver", str(name), {}, ("search", "starts", index))
        made |= {} if solver is None else {str(name): solver}
        mistakes += wrong
    return made, mistakes


def make_listed(
    known: Mapping[str, type[PluginT]], word: str, section: str, data: object
) -> tuple[list[PluginT], list[Mistake]]:
    """Of a section that lists plugins by name, with options or without: `stages: [refit, {distill: {epochs: 2}}]`."""
    made: list[PluginT] = []
    mistakes: list[Mistake] = []
    for index, entry in enumerate(data if isinstance(data, list) else []):
        entry = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or len(entry) != 1:
            continue
        ((name, options),) = entry.items()
        plugin, wrong = make_plugin(known, word, str(name), options or {}, (section, index, str(name)))
        made += [] if plugin is None else [plugin]
        mistakes += wrong
    return made, mistakes


def make_cost_model(known: Mapping[str, type[CostModel]], data: Mapping[str, object], beside: Path) -> Made[CostModel]:
    """Of `hardware: h100-sxm` and `cost_model: {name: tables}`; without the latter, the one that suits the former."""
    hardware, mistakes = _hardware(data.get("hardware"), beside)
    section = data.get("cost_model")
    if mistakes or (section is not None and not isinstance(section, Mapping)):
        return None, mistakes
    if section is None:
        return _fitting(hardware)
    name, options = section.get("name"), {key: value for key, value in section.items() if key != "name"}
    at: KeyPath = ("cost_model", "name")
    if not isinstance(name, str):
        return None, []
    if name not in known:
        return None, [Mistake(at, f"no cost model is called '{name}'{did_you_mean(name, known)}")]
    try:
        return known[name](hardware, known[name].Options.model_validate(options)), []
    except ValidationError as error:
        return None, [mistake.under("cost_model") for mistake in mistakes_of(error, known[name].Options)]
    except UserError as error:
        return None, [Mistake(at, line) for line in error.lines]


def _hardware(entry: object, beside: Path) -> Made[HardwareProfile]:
    """The profile that a recipe names, None for a recipe that names none."""
    if entry is None or not isinstance(entry, str):
        return None, []
    try:
        return HardwareProfile.read(find_profile(entry, beside)), []
    except UserError as error:
        return None, [Mistake(("hardware",), line) for line in error.lines]


def _fitting(hardware: HardwareProfile | None) -> Made[CostModel]:
    try:
        return best_cost_model(hardware)(hardware), []
    except UserError as error:
        return None, [Mistake(("cost_model",), line) for line in error.lines]
