"""What every plugin must do as a module. A rule takes the row that `Plugins.table` has of it."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable

from blockwright.contracts.holding import must
from blockwright.events import Event
from blockwright.plugins.loading import SLOW_SECONDS, Plugin

HEAVY = ("torch", "transformers")
EVENTS = (
    Event("run_started", {"directory": "/nowhere", "pid": 1}),
    Event("step_started", {"step": "01-library"}),
    Event("layer_built", {"layer": 0}, done=1, total=2),
    Event("trained", {"step": 3, "loss": 0.5}),
    Event("something_that_is_not_there_yet", {"value": None, "path": "x"}),
    Event("run_finished", {"directory": "/nowhere"}),
)
AT_ONCE_SECONDS = 0.5


def plugin_loads(plugin: Plugin) -> None:
    """It was found, imported and registered, and clashes with nobody."""
    must(plugin.broken is None, plugin.owner, f"is broken: {plugin.broken}")


def plugin_brings_something(plugin: Plugin) -> None:
    """A module without hooks is no plugin; mark them with `@blockwright.hookimpl`."""
    must(bool(plugin.hooks), plugin.owner, "implements no hook; mark its functions with @blockwright.hookimpl")
    silent = [hook for hook in plugin.hooks if hook != "observe"]
    must(not silent or bool(plugin.provides), plugin.owner, f"returns nothing from {', '.join(silent)}")


def plugin_loads_quickly(plugin: Plugin) -> None:
    """Every command waits for its import."""
    must(not plugin.is_slow, plugin.owner, f"took {plugin.seconds:.1f} s to import; {SLOW_SECONDS:.0f} s is too long")


def plugin_imports_nothing_heavy(plugin: Plugin) -> None:
    """Importing it leaves torch and transformers alone; they belong inside the functions that need them."""
    code = f"import sys, {plugin.module}\nsys.stdout.write(','.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    must(done.returncode == 0, plugin.owner, f"cannot be imported alone: {(done.stderr.splitlines() or [''])[-1]}")
    must(not done.stdout, plugin.owner, f"imports {done.stdout} when it is imported; move that into functions")


def plugin_observes_any_event(plugin: Plugin) -> None:
    """An observer returns at once, nothing, whatever it is told."""
    if "observe" not in plugin.hooks:
        return
    observe = importlib.import_module(plugin.module).observe
    for event in EVENTS:
        start = time.perf_counter()
        answer = observe(event)
        seconds = time.perf_counter() - start
        must(answer is None, plugin.owner, f"answered {answer!r} to {event.name}; an observer returns nothing")
        must(seconds < AT_ONCE_SECONDS, plugin.owner, f"took {seconds:.1f} s over {event.name}; the run waits for it")


PLUGIN_CONTRACT: tuple[Callable[[Plugin], None], ...] = (
    plugin_loads,
    plugin_brings_something,
    plugin_loads_quickly,
    plugin_imports_nothing_heavy,
    plugin_observes_any_event,
)
"""All rules, to parametrize over."""
