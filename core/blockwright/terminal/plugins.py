"""The installed plugins, and how they keep their contracts, as tables."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from blockwright.terminal.tables import Summary, Table

if TYPE_CHECKING:
    from blockwright.contracts.checking import Outcome
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


def shown_outcomes(outcomes: Iterable[Outcome], as_json: bool) -> int:
    """Prints each rule when it is done, or all as JSON; how many are broken."""
    done, what = [], ""
    for outcome in outcomes:
        done.append(outcome)
        if as_json:
            continue
        if outcome.what != what:
            what = outcome.what
            sys.stdout.write(f"{what}\n")
        sys.stdout.write(_line(outcome))
        sys.stdout.flush()
    counts = Counter(outcome.state for outcome in done)
    if as_json:
        sys.stdout.write(json.dumps([asdict(outcome) for outcome in done], indent=1) + "\n")
    else:
        sys.stdout.write(", ".join(f"{counts[state]} {state}" for state in ("kept", "broken", "not tried")) + "\n")
    return counts["broken"]


def _line(outcome: Outcome) -> str:
    sign = {"kept": "  ok       ", "broken": "  BROKEN   ", "not tried": "  not tried"}[outcome.state]
    seconds = f" ({outcome.seconds:.1f} s)" if outcome.seconds >= 0.1 else ""
    return f"{sign} {outcome.rule}{seconds}" + (f"\n             {outcome.message}" if outcome.message else "") + "\n"
