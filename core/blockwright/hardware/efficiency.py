"""The calibrated roofline: how long an operation takes by what a machine can do at best and how near it comes.

t = fixed + [(flops / (compute · peak))^s + (bytes / (bandwidth · peak bandwidth))^s]^(1/s)
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from blockwright.hardware.operations import Operation


class Efficiency(BaseModel):
    """How near one kind of operation comes to the machine's peaks.

    `compute` and `bandwidth` are shares of the peaks (above 1 where caches help), `fixed_us` is what the smallest one
    takes, and `sharpness` says how suddenly one bound gives way to the other: 1 adds both, many takes the larger.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    fixed_us: float = Field(default=3.0, ge=0, allow_inf_nan=False)
    compute: float = Field(default=0.75, gt=0, allow_inf_nan=False)
    bandwidth: float = Field(default=0.8, gt=0, allow_inf_nan=False)
    sharpness: float = Field(default=2.5, gt=0, le=50, allow_inf_nan=False)

    def milliseconds(self, compute_ms: float, memory_ms: float) -> float:
        """From the times that the arithmetic and the bytes alone would take at the machine's peaks."""
        largest = max(compute_ms / self.compute, memory_ms / self.bandwidth)
        if largest == 0:
            return self.fixed_us / 1e3
        parts = (compute_ms / self.compute / largest, memory_ms / self.bandwidth / largest)
        joined: float = sum(part**self.sharpness for part in parts) ** (1 / self.sharpness)
        return self.fixed_us / 1e3 + largest * joined


Efficiencies = Mapping[str, Mapping[str, Efficiency]]  # operation kind -> precision
DEFAULT = Efficiency()  # of machines that nobody has calibrated


def peak_times(operation: Operation, peak_tflops: float, bytes_per_s: float) -> tuple[float, float]:
    """Milliseconds of arithmetic and of traffic at the machine's peaks (1 TFLOP/s = 10⁹ flops a millisecond)."""
    return operation.flops / (peak_tflops * 1e9), operation.bytes / bytes_per_s * 1e3
