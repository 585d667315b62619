"""All installed plugins, and what they bring, by name.

A third-party plugin is one module and one entry point:

    [project.entry-points.blockwright]
    mine = "my_package"

    @blockwright.hookimpl
    def register_solvers():
        return [MySolver]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

import pluggy

from blockwright.costs import CostModel
from blockwright.engines import Engine
from blockwright.errors import UserError, did_you_mean
from blockwright.events import Event, emit, listening
from blockwright.executors import Executor
from blockwright.exporters import Exporter
from blockwright.parent import ModelFamily
from blockwright.plugins.loading import Plugin, load_plugins
from blockwright.plugins.parts import (
    COST_MODEL,
    ENGINE,
    EXECUTOR,
    EXPORTER,
    FAMILY,
    REWARD,
    SCORER,
    SOLVER,
    STAGE,
    TRANSFORM,
    VARIANT,
    Kind,
)
from blockwright.post_training.rewards import Reward
from blockwright.problem import Solver
from blockwright.resources import ResourceKind
from blockwright.scoring import Scorer
from blockwright.stages import Stage
from blockwright.transforms import Transform
from blockwright.variants import BlockVariant, Slot

hookimpl = pluggy.HookimplMarker("blockwright")

T = TypeVar("T")


@dataclass(frozen=True)
class Plugins:
    """What is installed. Lookups by name raise UserError with the nearest name; the mappings hold all there is."""

    table: tuple[Plugin, ...]
    manager: pluggy.PluginManager

    @classmethod
    def load(cls) -> Plugins:
        """Loads every plugin anew; a broken one is listed in `table` with its reason, and brings nothing."""
        manager = pluggy.PluginManager("blockwright")
        return cls(load_plugins(manager), manager)

    @property
    def broken(self) -> tuple[Plugin, ...]:
        return tuple(plugin for plugin in self.table if plugin.broken is not None)

    def find(self, name: str) -> tuple[Plugin, ...]:
        """The plugins of that name, else those that bring a part of it; UserError with the nearest name."""
        found = tuple(plugin for plugin in self.table if plugin.name == name)
        found = found or tuple(plugin for plugin in self.table if name in _names(plugin))
        if found:
            return found
        known = {plugin.name for plugin in self.table} | {part for plugin in self.table for part in _names(plugin)}
        raise UserError(f"no plugin is called '{name}'{did_you_mean(name, known)}")

    def tell_troubles(self) -> None:
        """Emits `plugin_broken` and `plugin_slow`, one event a plugin, for the log of a run."""
        for plugin in self.table:
            if plugin.broken is not None:
                emit("plugin_broken", plugin=plugin.name, package=plugin.package, reason=plugin.broken)
            elif plugin.is_slow:
                emit("plugin_slow", plugin=plugin.name, package=plugin.package, seconds=round(plugin.seconds, 1))

    @cached_property
    def variants(self) -> Mapping[tuple[Slot, str], BlockVariant]:
        """One instance of each, by slot and kind."""
        return {(each.slot, each.kind): each() for each in self._all(VARIANT).values()}

    @cached_property
    def families(self) -> Mapping[str, ModelFamily]:
        """One instance of each, by `model_type`."""
        return {name: each() for name, each in self._all(FAMILY).items()}

    @property
    def cost_models(self) -> Mapping[str, type[CostModel]]:
        return self._all(COST_MODEL)

    @property
    def scorers(self) -> Mapping[str, type[Scorer]]:
        return self._all(SCORER)

    @property
    def solvers(self) -> Mapping[str, type[Solver]]:
        return self._all(SOLVER)

    @property
    def transforms(self) -> Mapping[str, type[Transform]]:
        return self._all(TRANSFORM)

    @property
    def stages(self) -> Mapping[str, type[Stage]]:
        return self._all(STAGE)

    @property
    def rewards(self) -> Mapping[str, type[Reward]]:
        return self._all(REWARD)

    @property
    def exporters(self) -> Mapping[str, type[Exporter]]:
        return self._all(EXPORTER)

    @property
    def engines(self) -> Mapping[str, type[Engine]]:
        return self._all(ENGINE)

    @property
    def executors(self) -> Mapping[str, type[Executor]]:
        return self._all(EXECUTOR)

    def cost_model(self, name: str) -> type[CostModel]:
        return self._find(COST_MODEL, name)

    def scorer(self, name: str) -> type[Scorer]:
        return self._find(SCORER, name)

    def solver(self, name: str) -> type[Solver]:
        return self._find(SOLVER, name)

    def transform(self, name: str) -> type[Transform]:
        return self._find(TRANSFORM, name)

    def stage(self, name: str) -> type[Stage]:
        return self._find(STAGE, name)

    def reward(self, name: str) -> type[Reward]:
        return self._find(REWARD, name)

    def exporter(self, name: str) -> type[Exporter]:
        return self._find(EXPORTER, name)

    def engine(self, name: str) -> type[Engine]:
        return self._find(ENGINE, name)

    def executor(self, name: str) -> type[Executor]:
        return self._find(EXECUTOR, name)

    def resource_folders(self, kind: ResourceKind) -> tuple[Path, ...]:
        """Folders of `NAME.yaml` files, the built-in ones first."""
        resources = (resource for plugin in self.table for resource in plugin.resources)
        return tuple(resource.folder for resource in resources if resource.kind == kind)

    def version_of(self, name: str) -> str:
        """`blockwright 0.1.0`: of the plugin of that name, or of whichever brings a part of that name.

        It goes into the key of each step that the plugin made. KeyError when nobody knows the name.
        """
        owners = [plugin for plugin in self.table if plugin.name == name or name in _names(plugin)]
        if not owners:
            raise KeyError(name)
        return ", ".join(sorted({plugin.package for plugin in owners}))

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Tells the plugins' `observe` hooks every event of a with-block; one that raises is not called again."""
        observers = {impl.plugin_name: impl for impl in self.manager.hook.observe.get_hookimpls()}

        def tell(event: Event) -> None:
            for name, observer in list(observers.items()):
                try:
                    observer.function(*(event for _ in observer.argnames))
                except Exception as error:  # a tracker that fails must not stop the run
                    del observers[name]
                    told = str(error) if isinstance(error, UserError) else repr(error)
                    emit("observer_failed", plugin=name, error=told)

        with listening(tell):
            yield

    def _all(self, kind: Kind[T]) -> dict[str, type[T]]:
        parts = (part for plugin in self.table for part in plugin.parts if part.kind.word == kind.word)
        return {"/".join(part.key) if isinstance(part.key, tuple) else part.name: part.provider for part in parts}

    def _find(self, kind: Kind[T], name: str) -> type[T]:
        known = self._all(kind)
        if name in known:
            return known[name]
        raise UserError(f"no {kind.word} is called '{name}'{did_you_mean(name, known)}{self._broken_note(name)}")

    def _broken_note(self, name: str) -> str:
        """A missing name is often that of a plugin that did not load."""
        return next(
            (f" ({plugin.owner} is broken: {plugin.broken})" for plugin in self.broken if plugin.name == name), ""
        )


def _names(plugin: Plugin) -> set[str]:
    return {part.name for part in plugin.parts}


@cache
def installed_plugins() -> Plugins:
    """The plugins of this process, loaded once; `Plugins.load()` looks again."""
    return Plugins.load()
