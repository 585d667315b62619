"""Efficiencies from measured times: the calibrated roofline's four numbers, of least Huber loss of log time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blockwright.errors import UserError
from blockwright.hardware.efficiency import Efficiency
from blockwright.hardware.tables import Floats, Table, read_table

if TYPE_CHECKING:
    from blockwright.hardware.profile import HardwareProfile

FEWEST_ROWS, MOST_ROWS = 8, 8192
LARGE = 1024  # of matrices; smaller ones say little about how near a machine comes to its peaks
STEPS = 200


def calibrated(profile: HardwareProfile, measurements: Path) -> HardwareProfile:
    """The profile with a file's times fitted and kept; UserError for a precision that the profile has no peak of."""
    return calibrated_on(profile, read_table(measurements))


def calibrated_on(profile: HardwareProfile, tables: Sequence[Table]) -> HardwareProfile:
    """Each variety is fitted apart; where several share kind and precision (head dimensions), together."""
    together: dict[tuple[str, str], list[Table]] = {}
    for table in tables:
        together.setdefault((table.kind, str(table.variety[0])), []).append(table)
    efficiency = {kind: dict(by_precision) for kind, by_precision in profile.efficiency.items()}
    for (kind, precision), group in together.items():
        efficiency.setdefault(kind, {})[precision] = fit(profile, group)
    return profile.model_copy(update={"efficiency": efficiency, "tables": profile.tables.with_tables(tables)})


def fit(profile: HardwareProfile, tables: Sequence[Table]) -> Efficiency:
    """The efficiency of least mean Huber loss of log time over the tables' rows."""
    compute, memory, measured = _rows(profile, tables)
    return fit_times(compute, memory, measured, _starting_point(tables))


def fit_times(compute_ms: Floats, memory_ms: Floats, measured_ms: Floats, start: Efficiency) -> Efficiency:
    """From times at peak and measured times, all of shape (rows,), by L-BFGS on the logarithms of the four numbers."""
    import torch

    arithmetic, traffic, target = (torch.from_numpy(one) for one in (compute_ms, memory_ms, np.log(measured_ms)))
    bound = [start.fixed_us, start.compute, start.bandwidth, start.sharpness]
    numbers = torch.tensor(np.log(bound), requires_grad=True)
    optimiser = torch.optim.LBFGS([numbers], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        fixed_us, compute, bandwidth, sharpness = numbers.clamp(-12, 5).exp()
        sharpness = sharpness.clamp(1, 20)
        terms = (arithmetic / compute + 1e-15) ** sharpness + (traffic / bandwidth + 1e-15) ** sharpness
        predicted = (fixed_us / 1e3 + terms ** (1 / sharpness)).log()
        return torch.nn.functional.huber_loss(predicted, target, delta=0.1)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    fixed_us, compute, bandwidth, sharpness = map(_rounded, numbers.detach().clamp(-12, 5).exp().tolist())
    return Efficiency(fixed_us=fixed_us, compute=compute, bandwidth=bandwidth, sharpness=min(max(sharpness, 1.0), 20.0))


def _rounded(number: float) -> float:
    """To the five digits that a profile's file has, so that a saved profile is the same when it is read."""
    return float(f"{number:.5g}")


def _rows(profile: HardwareProfile, tables: Sequence[Table]) -> tuple[Floats, Floats, Floats]:
    """Times at the machine's peaks and measured ones; of matrix products the large ones, where there are enough."""
    operations = [(table.operation(row), table.latency_ms[row]) for table in tables for row in _chosen_rows(table)]
    if len(operations) < FEWEST_ROWS:
        kind = tables[0].kind
        raise UserError(f"{kind}: {len(operations)} rows are too few to calibrate; measure {FEWEST_ROWS} at least")
    times = np.array([(*profile.peak_times(operation), latency) for operation, latency in operations])
    compute, memory, measured = times.T
    return compute.copy(), memory.copy(), measured.copy()


def _chosen_rows(table: Table) -> Sequence[int]:
    rows = np.arange(len(table.latency_ms))
    if table.kind == "gemm":
        large = (table.sizes[:, 1] >= LARGE) & (table.sizes[:, 2] >= LARGE)
        rows = rows[large] if large.sum() >= FEWEST_ROWS else rows
    step = -(-len(rows) // MOST_ROWS)
    return [int(row) for row in rows[::step]]


def _starting_point(tables: Sequence[Table]) -> Efficiency:
    smallest = min(float(table.latency_ms.min()) for table in tables)
    return Efficiency(fixed_us=max(smallest * 1e3 / 2, 1e-3), compute=0.7, bandwidth=0.8, sharpness=2.0)
