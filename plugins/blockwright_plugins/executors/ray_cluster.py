"""`ray`: tasks on a Ray cluster, which places them, and does those of a lost worker again."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from pydantic import NonNegativeInt, PositiveInt

from blockwright.errors import UserError, first_line
from blockwright.executors import Executor, ExecutorOptions, Result, Task
from blockwright_plugins.executors.threads import use_threads

LOCAL = "local"
ANSWERS_WITHIN_S = 10.0


class RayOptions(ExecutorOptions):
    """`address`: of a cluster that runs, `auto` for the one of this machine; `local` starts one for the run.

    `workers`: how many tasks are done at once, each on `threads` of a node's CPUs and on `gpus` of its GPUs; all nodes
    must see the run's folder and the parent's under the same paths. `retries`: how often a task is done again whose
    worker was lost.
    """

    address: str = "auto"
    workers: PositiveInt = 2
    threads: PositiveInt = 1
    gpus: NonNegativeInt = 0
    retries: NonNegativeInt = 3


class Ray(Executor):
    """Each task is one of Ray's; its retries, its placement and its autoscaling are Ray's own."""

    name = "ray"
    Options = RayOptions
    contract_options = ()  # it needs a cluster

    def __init__(self, options: ExecutorOptions) -> None:
        super().__init__(options)
        self._ray: Any = None
        self._is_ours = False

    @property
    def workers(self) -> int:
        return self._options.workers

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        if self._ray is None:
            self._connect()
        options = self._options
        remote = self._ray.remote(_done).options(
            name=_name(task), num_cpus=options.threads, num_gpus=options.gpus, max_retries=options.retries
        )
        answer: Future[Result] = Future()
        remote.remote(options.threads, function, task).future().add_done_callback(partial(_hand_on, answer))
        return answer

    def close(self) -> None:
        if self._ray is not None and self._is_ours:
            self._ray.shutdown()
        self._ray, self._is_ours = None, False

    def _connect(self) -> None:
        """To the cluster of the recipe, unless this process is in one already."""
        ray = _imported()
        if not ray.is_initialized():
            options = self._options
            _refuse_where_nobody_answers(options.address)
            cpus = options.workers * options.threads if options.address == LOCAL else None
            try:
                ray.init(address=options.address, num_cpus=cpus, include_dashboard=False if cpus else None,
                         log_to_driver=False, configure_logging=False)  # fmt: skip
            except ConnectionError as error:
                raise _no_cluster(options.address, error) from error
            self._is_ours = True
        self._ray = ray

    @property
    def _options(self) -> RayOptions:
        assert isinstance(self.options, RayOptions)
        return self.options


def _refuse_where_nobody_answers(address: str) -> None:
    """At once; Ray itself tries a `host:port` for more than a minute."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in address:
        return
    try:
        socket.create_connection((host, int(port)), ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(
        f"executor.address: no Ray cluster at '{address}' ({first_line(error)}); type `ray start --head`, or write "
        f"`address: {LOCAL}`"
    )


def _done(threads: int, function: Callable[[Task], Result], task: Task) -> Result:
    use_threads(threads)
    return function(task)


def _hand_on(answer: Future[Result], rays: Future[Result]) -> None:
    """What a task raised as it raised it, without Ray's own text around it."""
    error = rays.exception()
    if error is None:
        answer.set_result(rays.result())
    else:
        answer.set_exception(getattr(error, "cause", None) or error)


def _name(task: object) -> str:
    """As Ray's own lists show it."""
    return f"blockwright {type(task).__name__}"


def _imported() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError(
            "executor.name: Ray is not installed; type `pip install 'blockwright[ray]'`, or write "
            "`executor: {name: processes}`"
        ) from None
    return ray
