"""Where the curves of a run's stages have come to."""

from __future__ import annotations

from collections.abc import Mapping

from blockwright.api import Run
from blockwright.terminal.tables import Table

LastValues = Mapping[str, Mapping[str, tuple[int, float]]]  # step and value by stage and curve


def last_values(run: Run) -> LastValues:
    """Of the finished stages that have curves."""
    stages = [step for step in run.steps if (run.directory / step / "stage.json").is_file()]
    ends = {step: _ends(run.files.json(f"{step}/stage.json").get("curves")) for step in stages}
    return {step: found for step, found in ends.items() if found}


def _ends(curves: object) -> dict[str, tuple[int, float]]:
    """A run of an older version has no curves."""
    found = curves if isinstance(curves, dict) else {}
    return {name: (int(points[-1][0]), float(points[-1][1])) for name, points in found.items() if points}


def curve_tables(values: LastValues) -> list[Table]:
    """None where no stage has drawn a curve."""
    rows = [
        (stage, curve, f"{value:.4g}", f"{step:,}")
        for stage, ends in values.items()
        for curve, (step, value) in ends.items()
    ]
    return [Table("Training", ("stage", "curve", "last value", "at step"), rows)] if rows else []
