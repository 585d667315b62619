"""Hardware profiles: what a machine can do at best, how near it comes, and where its measured tables are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from blockwright.errors import UserError, did_you_mean
from blockwright.hardware.efficiency import DEFAULT, Efficiencies, Efficiency, peak_times
from blockwright.hardware.operations import KINDS, Operation
from blockwright.hardware.tables import Table, Tables
from blockwright.hardware.timings import Timings
from blockwright.precision import Precision

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SAME_KERNELS: Mapping[Precision, Precision] = {"fp16": "bf16"}  # as fast as each other on every machine that has both


def _known_precisions(peaks: Mapping[str, float]) -> Mapping[str, float]:
    for name in peaks:
        if name not in get_args(Precision):
            known = get_args(Precision)
            raise ValueError(f"no precision is called '{name}'{did_you_mean(name, known)}")
    if not peaks:
        raise ValueError("give at least one, like {bf16: 989}")
    return peaks


def _known_kinds(efficiencies: Efficiencies) -> Efficiencies:
    for kind in efficiencies:
        if kind not in KINDS:
            raise ValueError(f"no operation is called '{kind}'{did_you_mean(kind, KINDS)}")
    return efficiencies


class HardwareProfile(BaseModel):
    """One kind of accelerator, or one of several that share a node. Frozen; `calibrate` returns a new one.

    `tables` are times of operations, `timings` those of whole parts of models; both stand in a folder beside the YAML.

    Peaks are those of dense multiplication. `link_gb_s` is what one GPU sends to the others of its node, one way.
    `memory_fraction` of `memory_gib` may be used, `overhead_gib` of that by the engine itself (activations, CUDA
    graphs, communication buffers). `step_overhead_us` is what the engine adds to every step on its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    memory_gib: Positive
    bandwidth_gb_s: Positive
    peak_tflops: Annotated[Mapping[str, Positive], AfterValidator(_known_precisions)]
    link_gb_s: Positive | None = None
    link_latency_us: NotNegative = 10.0
    memory_fraction: Annotated[float, Field(gt=0, le=1)] = 0.9
    overhead_gib: NotNegative = 2.0
    step_overhead_us: NotNegative = 0.0
    efficiency: Annotated[Efficiencies, AfterValidator(_known_kinds)] = {}
    tables: Tables = Tables()
    timings: Timings = {}
    source: str = ""

    @classmethod
    def load(cls, name: str | Path) -> HardwareProfile:
        """A bundled profile, one that a plugin brings, or a YAML file; UserError names what is wrong in it."""
        from blockwright.hardware.files import find_profile

        return cls.read(find_profile(str(name)))

    @classmethod
    def read(cls, file: str | Path) -> HardwareProfile:
        """A profile's YAML file; `tables` in it names a folder beside it."""
        from blockwright.hardware.files import read_profile

        return read_profile(Path(file))

    def save(self, file: str | Path) -> None:
        """Writes the YAML and, into a folder of the same name beside it, the measured tables."""
        from blockwright.hardware.files import write_profile

        write_profile(self, Path(file))

    def calibrate(self, measurements: str | Path) -> HardwareProfile:
        """A new profile with one operation's measured times (CSV or parquet) fitted and kept as its table.

        The file has the columns `operation` (unless its name begins with it, like gemm.csv), `precision`, the
        operation's sizes and `latency_ms`, `latency_us` or `latency_s`. UserError says which columns are missing.
        """
        from blockwright.hardware.calibration import calibrated

        return calibrated(self, Path(measurements))

    @property
    def usable_bytes(self) -> float:
        """What weights and KV caches may take."""
        return (self.memory_gib * self.memory_fraction - self.overhead_gib) * 2**30

    def efficiency_of(self, operation: Operation) -> Efficiency:
        """The calibrated one, or a plain default."""
        by_precision = self.efficiency.get(operation.kind, {})
        precision = operation.precision
        return by_precision.get(precision) or by_precision.get(SAME_KERNELS.get(precision, precision)) or DEFAULT

    def peak_times(self, operation: Operation) -> tuple[float, float]:
        """Milliseconds of its arithmetic and of its traffic at this machine's peaks; UserError for a precision
        that this machine does not have, and for links between GPUs that it does not have."""
        if operation.over_link:
            return peak_times(operation, 1.0, self._link() * 1e9)
        return peak_times(operation, self.peak(operation.computes_in), self.bandwidth_gb_s * 1e9)

    def peak(self, precision: Precision) -> float:
        """TFLOP/s at a precision; UserError with those that there are."""
        found = self.peak_tflops.get(precision) or self.peak_tflops.get(SAME_KERNELS.get(precision, precision))
        if found is None:
            raise UserError(f"{self.name} does not multiply in {precision}; it has {', '.join(self.peak_tflops)}")
        return found

    def analytic_ms(self, operation: Operation) -> float:
        """By the calibrated roofline alone."""
        return self.efficiency_of(operation).milliseconds(*self.peak_times(operation))

    def table_of(self, operation: Operation) -> Table | None:
        """What was measured of this variety of operation, with what it left of the calibrated roofline."""
        return self.tables.of(operation)

    @property
    def fingerprint(self) -> str:
        """Of all that its costs depend on: equal for equal profiles."""
        written = self.model_dump_json(exclude={"tables", "timings"})
        digest = hashlib.sha256(written.encode())
        for table in self.tables.all:
            digest.update(repr((table.kind, table.variety)).encode())
            digest.update(table.sizes.tobytes())
            digest.update(table.latency_ms.tobytes())
        digest.update(repr(sorted(self.timings.items())).encode())
        return digest.hexdigest()

    def _link(self) -> float:
        if self.link_gb_s is None:
            raise UserError(f"{self.name} has no link between GPUs (link_gb_s); use tensor_parallel: 1")
        return self.link_gb_s
