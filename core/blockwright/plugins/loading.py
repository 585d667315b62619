"""From installed packages to loaded plugins, such that a broken one never stops the others."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

import pluggy

from blockwright import hookspecs
from blockwright.errors import did_you_mean
from blockwright.plugins.parts import BadPart, Part, parts_of, resources_of
from blockwright.resources import Resources

GROUP = "blockwright"
SUBSET_VARIABLE = "BLOCKWRIGHT_PLUGINS"
SLOW_SECONDS = 1.0  # to import; every command waits for it


@dataclass(frozen=True)
class Plugin:
    """One entry point: whose it is, what it brings, or why it is broken (then it brings nothing).

    `seconds`: how long its import and its hooks took, and all that nobody had imported before it.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    resources: tuple[Resources, ...] = ()
    broken: str | None = None
    seconds: float = 0.0
    module: str = ""

    @property
    def package(self) -> str:
        """`blockwright 0.1.0`."""
        return f"{self.distribution} {self.version}".rstrip()

    @property
    def owner(self) -> str:
        """`plugin 'highs' (blockwright 0.1.0)`."""
        return f"plugin '{self.name}' ({self.package})"

    @property
    def is_slow(self) -> bool:
        return self.seconds > SLOW_SECONDS

    @property
    def provides(self) -> tuple[str, ...]:
        """`solver 'highs'`, one a part, then its folders by kind."""
        folders = (f"folder of {resource.kind}" for resource in self.resources)
        return (*(part.title for part in self.parts), *folders)


def load_plugins(manager: pluggy.PluginManager) -> tuple[Plugin, ...]:
    """All installed plugins, or those that BLOCKWRIGHT_PLUGINS names, registered with `manager` where they work.

    A name there that no plugin has is listed as broken, and stops no other.
    """
    manager.add_hookspecs(hookspecs)
    installed, loaded = _installed(), list[Plugin]()
    wanted = wanted_names()
    for entry_point in installed:
        if not wanted or entry_point.name in wanted:
            loaded.append(_timed(manager, entry_point, loaded))
    return (*loaded, *_misspelt(wanted, {entry.name for entry in installed}))


def wanted_names() -> list[str]:
    """The names in BLOCKWRIGHT_PLUGINS; none means all that are installed."""
    return [name.strip() for name in os.environ.get(SUBSET_VARIABLE, "").split(",") if name.strip()]


def _installed() -> list[EntryPoint]:
    """The built-in ones first, so that a clash is never theirs."""
    return sorted(entry_points(group=GROUP), key=lambda entry: (_distribution(entry)[0] != "blockwright", entry.name))


def _misspelt(wanted: Sequence[str], known: Iterable[str]) -> Iterator[Plugin]:
    known = set(known)
    for name in dict.fromkeys(wanted):
        if name not in known:
            reason = f"{SUBSET_VARIABLE}: no plugin is called '{name}'{did_you_mean(name, known)}"
            yield Plugin(name, "not installed", "", broken=reason)


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")


def _timed(manager: pluggy.PluginManager, entry: EntryPoint, before: Iterable[Plugin]) -> Plugin:
    start = time.perf_counter()
    return replace(_load(manager, entry, before), seconds=time.perf_counter() - start)


def _load(manager: pluggy.PluginManager, entry: EntryPoint, before: Iterable[Plugin]) -> Plugin:
    plugin = Plugin(entry.name, *_distribution(entry), module=entry.module)
    try:
        _refuse_a_taken_name(plugin, before)
        module = entry.load()
        manager.register(module, entry.name)
        manager.check_pending()
        plugin = _collect(plugin, manager, module)
        _refuse_a_clash(plugin, before)
    except (Exception, SystemExit) as error:  # whatever a plugin does wrong, the others must load
        if manager.get_plugin(entry.name) is not None and not isinstance(error, _TakenName):
            manager.unregister(name=entry.name)
        return replace(plugin, parts=(), resources=(), broken=_reason(error))
    return plugin


class _TakenName(BadPart):
    """A name that another plugin has; kept apart because that other one must stay registered."""


def _refuse_a_taken_name(plugin: Plugin, before: Iterable[Plugin]) -> None:
    for other in before:
        if other.name == plugin.name:
            raise _TakenName(f"{other.owner} has the same name as {plugin.owner}; rename or uninstall one of them")


def _refuse_a_clash(plugin: Plugin, before: Iterable[Plugin]) -> None:
    taken = {_place(part): other for other in before for part in other.parts}
    for part in plugin.parts:
        other = taken.setdefault(_place(part), plugin)
        if other is not plugin:
            raise BadPart(f"{part.title} of {plugin.owner} is brought by {other.owner} already")
    if len(set(map(_place, plugin.parts))) < len(plugin.parts):
        raise BadPart(f"{plugin.owner} brings two parts of one name: {', '.join(plugin.provides)}")


def _place(part: Part) -> tuple[str, Hashable]:
    return part.kind.word, part.key


def _collect(plugin: Plugin, manager: pluggy.PluginManager, module: object) -> Plugin:
    """Calls the plugin's register hooks; `observe` is called during runs only."""
    callers = sorted(manager.get_hookcallers(module) or [], key=lambda caller: caller.name)
    parts: list[Part] = []
    resources: list[Resources] = []
    for caller in callers:
        if caller.name == "observe":
            continue
        returned = next(impl for impl in caller.get_hookimpls() if impl.plugin is module).function()
        if caller.name == "register_resources":
            resources += resources_of(caller.name, returned)
        else:
            parts += parts_of(caller.name, returned)
    return replace(
        plugin, hooks=tuple(caller.name for caller in callers), parts=tuple(parts), resources=tuple(resources)
    )


def _reason(error: BaseException) -> str:
    """One line; what a plugin's own code raised keeps its type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, BadPart) else f"{type(error).__name__}: {text}"
