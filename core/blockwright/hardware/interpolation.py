"""Between measured points: local ordinary kriging of what the calibrated roofline leaves, in log-log space.

The times of kernels step where one tile size gives way to another, so neighbours tell most, and a smooth fit over all
rows tells little. The covariance exp(−Σ|Δ log2 size| / range) keeps the steps; the nugget allows for noise.
Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), sections 2.7 and 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from blockwright.hardware.operations import KINDS, Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Floats, Table

NEIGHBOURS, NUGGET = 60, 0.1
RANGES: Mapping[str, float] = {"m": 1.0}  # doublings of a size over which times are alike; 2 where none is given


@dataclass
class Interpolator:
    """The logarithm of measured over calibrated time, anywhere within a table; remembers what it has looked up."""

    profile: HardwareProfile
    table: Table
    _residuals: dict[int, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._ranges = np.array([RANGES.get(name, 2.0) for name in KINDS[self.table.kind].sized_by])
        self._points: Floats = np.log2(self.table.sizes) / self._ranges

    def factor(self, operation: Operation) -> float:
        """What to multiply the calibrated time with; outside of the table, as at its nearest border."""
        sizes = np.clip(np.array(operation.sizes, float), self.table.sizes.min(axis=0), self.table.sizes.max(axis=0))
        point = np.log2(sizes) / self._ranges
        distances = np.abs(self._points - point).sum(axis=1)
        nearest = _nearest(distances, NEIGHBOURS)
        weights = _kriging_weights(self._points[nearest], distances[nearest])
        return float(np.exp(weights @ np.array([self._residual(int(row)) for row in nearest])))

    def _residual(self, row: int) -> float:
        if row not in self._residuals:
            calibrated = self.profile.analytic_ms(self.table.operation(row))
            self._residuals[row] = float(np.log(self.table.latency_ms[row] / calibrated))
        return self._residuals[row]


def _nearest(distances: Floats, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    if len(distances) <= count:
        return np.arange(len(distances))
    return np.argpartition(distances, count)[:count]


def _kriging_weights(points: Floats, distances: Floats) -> Floats:
    """Weights that sum to one; shapes (points, sizes) and (points,) → (points,)."""
    count = len(points)
    between = np.abs(points[:, None] - points[None]).sum(axis=2)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = np.exp(-between) + NUGGET * np.eye(count)
    system[count, count] = 0.0
    solved = np.linalg.solve(system, np.append(np.exp(-distances), 1.0))
    weights: Floats = solved[:count]
    return weights
