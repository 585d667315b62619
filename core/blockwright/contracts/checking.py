"""All contracts by kind, and a plugin held to them, rule by rule."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from blockwright.contracts.every_part import PART_CONTRACT
from blockwright.contracts.plugins import PLUGIN_CONTRACT
from blockwright.errors import UserError
from blockwright.plugins.loading import Plugin
from blockwright.plugins.parts import Part

State = Literal["kept", "broken", "not tried"]
Rule = Callable[[Any], None]  # of whichever kind
CONTRACTS: Mapping[str, tuple[str, str]] = {  # kind -> the module of its rules and their name there
    "variant": ("variants", "VARIANT_CONTRACT"),
    "model family": ("families", "FAMILY_CONTRACT"),
    "scorer": ("scorers", "SCORER_CONTRACT"),
    "cost model": ("cost_models", "COST_MODEL_CONTRACT"),
    "solver": ("solvers", "SOLVER_CONTRACT"),
    "transform": ("transforms", "TRANSFORM_CONTRACT"),
    "stage": ("stages", "STAGE_CONTRACT"),
    "exporter": ("exporters", "EXPORTER_CONTRACT"),
    "reward": ("rewards", "REWARD_CONTRACT"),
    "engine": ("engines", "ENGINE_CONTRACT"),
    "executor": ("executors", "EXECUTOR_CONTRACT"),
    "resources": ("resources", "RESOURCES_CONTRACT"),
}


@dataclass(frozen=True)
class Outcome:
    """How one rule went. `what` is the plugin, the part or the folder; `message` says why it is not kept."""

    plugin: str
    what: str
    rule: str
    state: State
    message: str
    seconds: float


@dataclass(frozen=True)
class Specimen:
    """One thing to hold to the rules: made only when it is tried, since making it can fail."""

    what: str
    make: Callable[[], object]


def rules_of(kind: str) -> tuple[Rule, ...]:
    """All rules of a kind (`solver`, `cost model`); none for a kind that has no contract."""
    if kind not in CONTRACTS:
        return ()
    module, name = CONTRACTS[kind]
    rules: tuple[Rule, ...] = getattr(importlib.import_module(f"blockwright.contracts.{module}"), name)
    return rules


def check_plugin(plugin: Plugin) -> Iterator[Outcome]:
    """Every rule for the plugin, its parts and its folders, one after the other; of a broken one only that it is."""
    for rule in PLUGIN_CONTRACT:
        yield _outcome(plugin, plugin.owner, rule, lambda: plugin)
        if plugin.broken is not None:
            return
    for part in plugin.parts:
        yield from _check_part(plugin, part)
    for resources in plugin.resources:
        what = f"folder {resources.folder.name} of {resources.kind}"
        for rule in rules_of("resources"):
            yield _outcome(plugin, what, rule, lambda resources=resources: resources)  # type: ignore[misc]


def _check_part(plugin: Plugin, part: Part) -> Iterator[Outcome]:
    for rule in PART_CONTRACT:
        yield _outcome(plugin, part.title, rule, lambda: part)
    rules = rules_of(part.kind.word)
    specimens = list(specimens_of(part, plugin)) if rules else []
    if not rules:
        yield Outcome(plugin.name, part.title, "contract", "not tried", f"there is none for a {part.kind.word}", 0.0)
    elif not specimens:
        yield Outcome(plugin.name, part.title, "contract", "not tried", "it gives no contract_options", 0.0)
    for specimen in specimens:
        for rule in rules:
            yield _outcome(plugin, specimen.what, rule, specimen.make)


def specimens_of(part: Part, plugin: Plugin | None = None) -> Iterator[Specimen]:
    """What the engine would make of a part: an instance for each of its `contract_options`, a cost model on a machine.

    Machines are the profiles that the same plugin brings, else a made-up one.
    """
    provider, kind = part.provider, part.kind.word
    if kind in ("variant", "model family", "engine"):
        yield Specimen(part.title, provider)
        return
    choices: Sequence[Mapping[str, object]] = getattr(provider, "contract_options", ({},))
    for options in choices:
        what = f"{part.title} {dict(options)}" if options else part.title
        if kind == "cost model":
            yield from _on_machines(part, what, options, plugin)
        else:
            yield Specimen(what, lambda options=options: provider(_options(part, options)))  # type: ignore[misc]


def _on_machines(part: Part, what: str, options: Mapping[str, object], plugin: Plugin | None) -> Iterator[Specimen]:
    def make(machine: Path | str | None) -> object:
        from blockwright.contracts.cost_models import small_machine
        from blockwright.hardware.profile import HardwareProfile

        hardware = HardwareProfile.read(machine) if machine else small_machine()
        if not machine and part.provider.suits(None):  # type: ignore[attr-defined]
            hardware = None  # type: ignore[assignment]
        return part.provider(hardware, _options(part, options))

    files = [file for one in (plugin.resources if plugin else ()) if one.kind == "hardware"
             for file in sorted(one.folder.glob("*.yaml"))]  # fmt: skip
    for file in files or [None]:  # type: ignore[list-item]
        on = f"{what} on {file.stem}" if file else what
        yield Specimen(on, lambda file=file: make(file))  # type: ignore[misc]


def _options(part: Part, options: Mapping[str, object]) -> object:
    return part.provider.Options.model_validate(dict(options))  # type: ignore[attr-defined]


def _outcome(plugin: Plugin, what: str, rule: Rule, make: Callable[[], object]) -> Outcome:
    """Whatever a plugin raises is what breaks the rule; only its UserError is a way to refuse."""
    start = time.perf_counter()
    state, message = _tried(rule, make)
    seconds = time.perf_counter() - start
    return Outcome(plugin.name, what, rule.__name__.replace("_", " "), state, message, seconds)


def _tried(rule: Rule, make: Callable[[], object]) -> tuple[State, str]:
    try:
        rule(make())
    except UserError as error:
        return "not tried", " ".join(str(error).split())
    except AssertionError as error:
        return _broken(str(error) or "an assertion failed")
    except ValidationError as error:
        return _broken(error.errors()[0]["msg"])
    except Exception as error:  # a stranger's code: its crash is the answer
        return _broken(f"raised {type(error).__name__}: {error}")
    return "kept", ""


def _broken(message: str) -> tuple[State, str]:
    """What needs a package that is not there cannot be tried, which is no fault of the plugin."""
    text = " ".join(message.split())
    return ("not tried" if " not installed; " in text else "broken"), text
