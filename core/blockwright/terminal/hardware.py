"""Hardware profiles and what was measured, as tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from blockwright.hardware.files import profile_files
from blockwright.hardware.profile import HardwareProfile
from blockwright.measuring.recording import Recorded
from blockwright.measuring.whole_models import Checked, speed_up_errors
from blockwright.terminal.tables import Summary, Table


def list_summary() -> Summary:
    """All profiles that can be named."""
    profiles = [HardwareProfile.read(file) for file in profile_files().values()]
    rows = [
        (one.name, f"{one.memory_gib:.4g}", f"{one.bandwidth_gb_s:.4g}", _peaks(one), one.description)
        for one in profiles
    ]
    columns = ("profile", "memory, GiB", "GB/s", "TFLOP/s", "what it is")
    return Summary([_written(one) for one in profiles], [Table("Hardware profiles", columns, rows)])


def profile_summary(profile: HardwareProfile) -> Summary:
    """A profile with its calibrated efficiencies and what was measured of it."""
    efficiencies = [
        (kind, precision, f"{one.fixed_us:.2f}", f"{one.compute:.1%}", f"{one.bandwidth:.1%}", f"{one.sharpness:.2f}")
        for kind, by_precision in profile.efficiency.items()
        for precision, one in by_precision.items()
    ]
    tables = [
        (table.kind, " ".join(map(str, table.variety)), f"{len(table.latency_ms):,}") for table in profile.tables.all
    ]
    columns = ("operation", "precision", "fixed, µs", "compute", "bandwidth", "sharpness")
    return Summary(
        _written(profile),
        [
            Table(profile.name, ("what", "value"), _facts(profile)),
            Table("Calibrated efficiencies", columns, efficiencies),
            Table("Measured tables", ("operation", "variety", "rows"), tables),
        ],
        [profile.source] if profile.source else [],
    )


def recorded_summary(recorded: Recorded) -> Summary:
    """What was measured, and how well the sum of parts predicted whole models."""
    shown = profile_summary(recorded.profile)
    rows = [
        (
            one.model,
            one.phase,
            str(one.batch),
            one.cost_model,
            f"{one.predicted_ms:.2f}",
            f"{one.measured_ms:.2f}",
            f"{one.error:+.1%}",
        )
        for one in recorded.checks
    ]
    columns = ("model", "phase", "batch", "cost model", "predicted, ms", "measured, ms", "error")
    checks = [Table("Whole models", columns, rows)] if rows else []
    lines = [*recorded.notes, *_verdicts(recorded.checks), f"The profile is in {recorded.file}"]
    return Summary(
        {"profile": shown.data, "checks": [vars(one) for one in recorded.checks]}, [*shown.tables, *checks], lines
    )


def _verdicts(checks: Sequence[Checked]) -> list[str]:
    return [
        f"{name}: median error {statistics.median(abs(one.error) for one in mine):.1%}, "
        f"of speed-ups against the parent {statistics.median(map(abs, speed_up_errors(mine))):.1%}"
        for name in dict.fromkeys(one.cost_model for one in checks)
        for mine in [[one for one in checks if one.cost_model == name]]
    ]


def _facts(profile: HardwareProfile) -> list[tuple[str, str]]:
    link = f"{profile.link_gb_s:.4g} GB/s" if profile.link_gb_s else "none"
    return [
        ("what it is", profile.description),
        ("memory", f"{profile.memory_gib:.4g} GiB, {profile.usable_bytes / 2**30:.4g} for weights and caches"),
        ("bandwidth", f"{profile.bandwidth_gb_s:.4g} GB/s"),
        ("peaks", f"{_peaks(profile)} TFLOP/s"),
        ("link between GPUs", link),
        ("timed parts of models", str(len(profile.timings))),
    ]


def _peaks(profile: HardwareProfile) -> str:
    return ", ".join(f"{precision} {peak:.4g}" for precision, peak in profile.peak_tflops.items())


def _written(profile: HardwareProfile) -> dict[str, object]:
    return profile.model_dump(mode="json", exclude={"tables", "timings"})
