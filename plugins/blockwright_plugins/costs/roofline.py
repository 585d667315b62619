"""`roofline`: the calibrated formula alone, for machines without measured tables."""

from __future__ import annotations

from blockwright.costs import CostModel, Time
from blockwright.hardware.operations import Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.plugins import hookimpl


class Roofline(CostModel):
    """Arithmetic against traffic, each at the share of the machine's peak that was calibrated, and a fixed time."""

    name = "roofline"

    @classmethod
    def suits(cls, hardware: HardwareProfile | None) -> int:
        return 0 if hardware is None else 1

    def operation(self, operation: Operation) -> Time:
        assert self.hardware is not None
        return timed(operation, self.hardware.analytic_ms(operation), self.hardware)


def timed(operation: Operation, ms: float, hardware: HardwareProfile) -> Time:
    """With its latency apart: all of it between GPUs, the fixed time of a kernel elsewhere."""
    fixed_ms = hardware.efficiency_of(operation).fixed_us / 1e3
    return Time(ms, ms if operation.over_link else min(ms, fixed_ms))


@hookimpl
def register_cost_models() -> list[type[CostModel]]:
    return [Roofline]
