"""What this machine has, each thing with what to type where it is lacking."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blockwright.engines import EngineSettings
from blockwright.errors import UserError
from blockwright.plugins import Plugins
from blockwright.running.room import disk_here, memory_here
from blockwright.running.versions import version_of
from blockwright.terminal.tables import as_bytes

_SMI = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")


@dataclass(frozen=True)
class Finding:
    """One thing that is here, or is not (`found` is empty then); `advice` is what to type or do about it."""

    subject: str
    found: str
    advice: str = ""


def findings(plugins: Plugins) -> Iterator[Finding]:
    """Everything, the machine first and then what is installed on it."""
    memory = memory_here()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # macOS has none
    yield Finding("Python", platform.python_version())
    yield Finding("Blockwright", version_of("blockwright") or "")
    yield Finding("processors", f"{cores} of {os.cpu_count()}")
    yield Finding("memory", f"{as_bytes(memory.total)}, {as_bytes(memory.available)} free")
    yield Finding("disk", f"{as_bytes(disk_here(Path()))} free in {Path().absolute()}")
    yield from _accelerators()
    yield from _extras()
    yield from (_engine(plugins, name) for name in plugins.engines)
    chromium = shutil.which("chromium") or ""
    yield Finding("chromium", chromium, "" if chromium else "only for pictures of reports: apt install chromium")
    yield Finding("plugins", f"{len(plugins.table) - len(plugins.broken)} work")
    for plugin in plugins.broken:
        yield Finding(plugin.owner, "", f"is broken: {plugin.broken}")


def _accelerators() -> Iterator[Finding]:
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "built for CPUs"
    cards, seen = _cards(), torch.cuda.is_available()
    lacks = "torch does not see the GPU; type `pip install --force-reinstall torch`, or mend the driver"
    yield Finding("torch", f"{torch.__version__}, {build}", lacks if cards and not seen else "")
    yield Finding("GPUs and driver", "; ".join(cards), "" if cards else "none found; everything runs on the CPU")
    flash = version_of("flash-attn") or ""
    lacks = "type `pip install 'blockwright[cuda]'`" if seen else "needs an NVIDIA GPU"
    yield Finding("flash-attn", flash, "" if flash else lacks)


def _cards() -> list[str]:
    try:
        told = subprocess.run(_SMI, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.splitlines() if line.strip()]


def _extras() -> Iterator[Finding]:
    """What `pip install 'blockwright[NAME]'` brings, by the package's own metadata."""
    from packaging.requirements import Requirement

    about = importlib.metadata.metadata("blockwright")
    needed = [Requirement(line) for line in about.get_all("Requires-Dist") or []]
    for extra in about.get_all("Provides-Extra") or []:
        if extra in ("dev", "cuda"):
            continue
        own = [one.name for one in needed if one.marker and one.marker.evaluate({"extra": extra})]
        missing = [name for name in own if name != "blockwright" and version_of(name) is None]
        advice = f"lacks {', '.join(missing)}; type `pip install 'blockwright[{extra}]'`" if missing else ""
        yield Finding(f"extra {extra}", "" if missing else "installed", advice)


def _engine(plugins: Plugins, name: str) -> Finding:
    try:
        return Finding(f"engine {name}", plugins.engine(name)(EngineSettings()).version())
    except UserError as error:
        return Finding(f"engine {name}", "", " ".join(error.lines).removeprefix(f"--engine {name}: "))
    except Exception as error:  # a stranger's engine must not stop the others
        return Finding(f"engine {name}", "", f"{type(error).__name__}: {error}")
