"""The installed plugins, and how they keep their contracts, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from blockwright.terminal.tables import Summary, Table

if TYPE_CHECKING:
    from blockwright.plugins import Plugins
    from blockwright.plugins.loading import Plugin


def plugins_summary(plugins: Plugins) -> Summary:
    """Everything installed, with the reason beside what is broken, and the slow and the broken named once more."""
    rows = [(one.name, one.package, _hooks(one), _brings(one), f"{one.seconds:.2f}") for one in plugins.table]
    columns = ("plugin", "package", "hooks", "provides", "seconds")
    lines = [line for one in plugins.table for line in _troubles(one)]
    return Summary([_written(one) for one in plugins.table], [Table("Plugins", columns, rows)], lines)


def _written(plugin: Plugin) -> Mapping[str, object]:
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "hooks": list(plugin.hooks),
        "provides": list(plugin.provides),
        "broken": plugin.broken,
        "seconds": round(plugin.seconds, 4),
        "slow": plugin.is_slow,
    }


def _hooks(plugin: Plugin) -> str:
    return ", ".join(hook.removeprefix("register_") for hook in plugin.hooks)


def _brings(plugin: Plugin) -> str:
    return f"broken: {plugin.broken}" if plugin.broken else ", ".join(plugin.provides)


def _troubles(plugin: Plugin) -> list[str]:
    if plugin.broken:
        return [f"{plugin.owner} is broken: {plugin.broken}"]
    if plugin.is_slow:
        return [
            f"{plugin.owner} took {plugin.seconds:.1f} s to import, which every command waits for; "
            "its author can move imports into the functions that need them"
        ]
    return []
