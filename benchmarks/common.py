"""What the benchmarks share: the machine in words, and a table on the terminal."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path


def machine() -> str:
    """One line that goes with every figure."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    import torch

    name = models[0] if models else platform.processor()
    day = datetime.now(UTC).date().isoformat()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{day}, {os.cpu_count()} cores of {name}, no GPU, {versions}"


def peak_gib() -> float:
    """The most memory that this process has had, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**3


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Markdown, ready for RESULTS.md."""
    print(f"\n### {title}\n\n{machine()}; `{' '.join(['python', *sys.argv])}`\n")
    for row in (header, ["---"] * len(header), *rows):
        print(
            "| " + " | ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row) + " |",
            flush=True,
        )
