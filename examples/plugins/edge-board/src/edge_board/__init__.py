"""`edge-board`: a small board with memory that host and accelerator share, and a cost model that knows of both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

import blockwright
from blockwright.costs import CostModel, CostOptions, Time
from blockwright.hardware.operations import Operation
from blockwright.hardware.profile import HardwareProfile
from blockwright.resources import Resources

Share = Annotated[float, Field(gt=0, le=1)]


class EdgeBoardOptions(CostOptions):
    """`cooled`: the share of its peak that the board keeps up once it is warm. `free`: the share of its bandwidth that
    the host leaves. `launch_us`: the fixed time of one operation."""

    cooled: Share = 0.6
    free: Share = 0.75
    launch_us: Annotated[float, Field(ge=0)] = 25.0


class EdgeBoardCosts(CostModel):
    """A roofline under two lids: t = launch + max(arithmetic / (peak · cooled), bytes / (bandwidth · free))."""

    name = "edge-board"
    Options = EdgeBoardOptions

    @classmethod
    def suits(cls, hardware: HardwareProfile | None) -> int:
        """Better than any other on the board that comes with it."""
        return 9 if hardware is not None and hardware.name == "edge-board" else 0

    def operation(self, operation: Operation) -> Time:
        assert self.hardware is not None and isinstance(self.options, EdgeBoardOptions)
        arithmetic_ms, traffic_ms = self.hardware.peak_times(operation)
        launch_ms = self.options.launch_us / 1e3
        busy_ms = max(arithmetic_ms / self.options.cooled, traffic_ms / self.options.free)
        return Time(launch_ms + busy_ms, waits_ms=launch_ms)


@blockwright.hookimpl
def register_cost_models() -> list[type[CostModel]]:
    return [EdgeBoardCosts]


@blockwright.hookimpl
def register_resources() -> list[Resources]:
    return [Resources("hardware", Path(__file__).parent / "hardware")]
