"""A plugin's section of the recipe, checked against the plugin's own options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from blockwright.errors import did_you_mean
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


def make_stages(known: Mapping[str, type[PluginT]], data: object) -> tuple[list[PluginT], list[Mistake]]:
    """Of `stages: [refit, {distill: {steps: 100}}]`."""
    made: list[PluginT] = []
    mistakes: list[Mistake] = []
    for index, entry in enumerate(data if isinstance(data, list) else []):
        entry = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or len(entry) != 1:
            continue
        ((name, options),) = entry.items()
        stage, wrong = make_plugin(known, "stage", str(name), options or {}, ("stages", index, str(name)))
        made += [] if stage is None else [stage]
        mistakes += wrong
    return made, mistakes
