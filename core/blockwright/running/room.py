"""Whether this machine has room for a run: its memory and disk, against what the run needs at the very least."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.running.directory import RunDirectory
from blockwright.running.estimates import count_bytes, count_memory
from blockwright.running.files import BUILD, PARENT
from blockwright.terminal.tables import as_bytes

if TYPE_CHECKING:
    from blockwright.recipes.checking import CheckedRecipe

CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
LESS_MEMORY = (
    "lower text.calibration_tokens, text.heldback_tokens or library.gradient_tokens, or take a machine with more"
)


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory: all of it, swap included, and what is free now."""

    total: float
    available: float


def memory_here() -> Memory:
    """What this process may use: the machine's, or less where a container has a limit."""
    import psutil

    machine, swap = psutil.virtual_memory(), psutil.swap_memory()
    limits = [Memory(limit, limit - used) for limit, used in _container_limits()]
    found = [Memory(machine.total + swap.total, machine.available + swap.free), *limits]
    return Memory(min(one.total for one in found), max(0.0, min(one.available for one in found)))


def disk_here(folder: Path) -> float:
    """Free bytes where a folder is or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return float(shutil.disk_usage(there).free)


def refuse_what_cannot_fit(checked: CheckedRecipe) -> None:
    """UserError where memory or disk cannot be enough; events where it may become tight."""
    told = [*_memory_troubles(checked), *_disk_troubles(checked)]
    if told:
        raise UserError(*told)


def _memory_troubles(checked: CheckedRecipe) -> Iterator[str]:
    here = memory_here()
    for step, needed in count_memory(checked, checked.prices).items():
        if needed > here.total:
            yield (
                f"{step} needs at least {as_bytes(needed)} of memory, and there is {as_bytes(here.total)} "
                f"here; {LESS_MEMORY}"
            )
        elif needed > here.available:
            emit("memory_is_tight", step=step, needed=as_bytes(needed), free=as_bytes(here.available))


def _disk_troubles(checked: CheckedRecipe) -> Iterator[str]:
    """The library takes less than its estimate where it holds slices of the parent; the rest takes what it says."""
    needed, free = disk_needed(checked), disk_here(checked.directory)
    sure = sum(needed.get(step, 0.0) for step in (PARENT, BUILD))
    if sure > free:
        yield (
            f"{checked.directory}: the run needs at least {as_bytes(sure)} of disk, and {as_bytes(free)} is free; "
            "make room, or give another place with runs=FOLDER"
        )
    elif sum(needed.values()) > free:
        emit("disk_is_tight", at_most=as_bytes(sum(needed.values())), free=as_bytes(free))


def disk_needed(checked: CheckedRecipe) -> dict[str, float]:
    """Bytes by step, at most, without steps that the directory has already."""
    run = RunDirectory(checked.directory)
    return {step: size for step, size in count_bytes(checked, checked.prices).items() if run.seconds(step) is None}


def _container_limits() -> Iterator[tuple[float, float]]:
    """The limit of the control group and what is used of it, where there is one."""
    for limit, used in _LIMITS:
        try:
            yield float((CGROUPS / limit).read_text()), float((CGROUPS / used).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
