"""`weights`: what can be counted without any hardware: parameters, weight bytes and KV-cache bytes."""

from __future__ import annotations

from blockwright.costs import CostModel, Time, Work
from blockwright.costs.parts import Part
from blockwright.hardware.profile import HardwareProfile
from blockwright.plugins import hookimpl


class WeightCosts(CostModel):
    """Counts and no times; exact for every variant that counts its own parameters and KV values rightly."""

    name = "weights"

    @classmethod
    def suits(cls, hardware: HardwareProfile | None) -> int:
        return 1 if hardware is None else 0

    def time(self, part: Part, work: Work) -> Time | None:
        return None


@hookimpl
def register_cost_models() -> list[type[CostModel]]:
    return [WeightCosts]
