"""Where the tasks of a run are done: in its own process, in others beside it, or on a cluster."""

from __future__ import annotations

from blockwright.executors import Executor, InProcess
from blockwright.plugins import hookimpl


@hookimpl
def register_executors() -> list[type[Executor]]:
    from blockwright_plugins.executors.processes import Processes
    from blockwright_plugins.executors.ray_cluster import Ray

    return [InProcess, Processes, Ray]
