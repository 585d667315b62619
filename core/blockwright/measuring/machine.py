"""A profile of this machine: its kernels timed, its peaks taken from the best of them, its efficiencies fitted."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.hardware.calibration import calibrated_on
from blockwright.hardware.operations import KINDS, Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Table
from blockwright.measuring.kernels import bytes_held, grid, job_of
from blockwright.measuring.timers import Timer, dtype_of
from blockwright.precision import Precision

LARGEST = {"cpu": 2048, "cuda": 8192}  # of a matrix's sides
CHUNK_BYTES = 2**30  # of what is held at once to be timed in turn
HOST_OVERHEAD_GIB = 1.0  # what the interpreter and torch themselves take on a CPU


def measure_machine(name: str, timer: Timer, seconds: float, largest: int | None = None) -> HardwareProfile:
    """Times the grid of operations for about `seconds` and makes a profile of the same schema as the bundled ones.

    `largest` bounds the sides of matrices; left out, it is what suits the kind of device.
    """
    precision = precision_of(timer.device)
    operations = list(grid(precision, largest or LARGEST[timer.device.partition(":")[0]]))
    times = measure_operations(operations, timer, seconds)
    bare = HardwareProfile(
        name=name,
        description=describe(timer.device),
        memory_gib=memory_bytes(timer.device) / 2**30,
        bandwidth_gb_s=max(one.bytes / ms for one, ms in times.items()) / 1e6,
        peak_tflops={precision: max(one.flops / ms for one, ms in times.items()) / 1e9},
        overhead_gib=HOST_OVERHEAD_GIB if timer.device == "cpu" else 2.0,
        source=f"blockwright hardware measure --device {timer.device}",
    )
    return calibrated_on(bare, tables_of(times))


def measure_operations(operations: Sequence[Operation], timer: Timer, seconds: float) -> Mapping[Operation, float]:
    """Milliseconds of each; as many at a time as their copies fit into a gigabyte."""
    times: dict[Operation, float] = {}
    chunks = list(_chunks(operations))
    for chunk in chunks:
        jobs = {operation: job_of(operation, timer.device, dtype_of(timer.device)) for operation in chunk}
        times |= timer.measure(jobs, seconds / len(chunks), seed=len(times))
        emit("operations_measured", done=len(times), total=len(operations))
    return times


def tables_of(times: Mapping[Operation, float]) -> list[Table]:
    """One table for each variety."""
    together: dict[tuple[str, tuple[object, ...]], list[Operation]] = {}
    for operation in times:
        together.setdefault((operation.kind, operation.variety), []).append(operation)
    return [
        Table(
            kind,
            variety,
            np.array([operation.sizes for operation in group], dtype=np.float64).reshape(-1, len(KINDS[kind].sized_by)),
            np.array([times[operation] for operation in group]),
        )
        for (kind, variety), group in together.items()
    ]


def precision_of(device: str) -> Precision:
    """What a machine is measured in."""
    return "fp32" if device == "cpu" else "bf16"


def check_device(device: str) -> None:
    """UserError for a device that torch does not find."""
    import torch

    kind = device.partition(":")[0]
    if kind not in LARGEST:
        raise UserError(f"--device: '{device}' is none of {', '.join(LARGEST)}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError("--device: torch finds no CUDA device here; use --device cpu")


def memory_bytes(device: str) -> float:
    """Of the device, or of this computer."""
    if device == "cpu":
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    import torch

    return float(torch.cuda.get_device_properties(device).total_memory)


def describe(device: str) -> str:
    """The device's own name, and what torch measured it."""
    import torch

    if device != "cpu":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{platform.processor() or platform.machine()}, one thread, torch {torch.__version__}"


def _chunks(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    chunk: list[Operation] = []
    held = 0.0
    for operation in operations:
        needed = bytes_held(operation)
        if chunk and held + needed > CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0.0
        chunk.append(operation)
        held += needed
    yield chunk
