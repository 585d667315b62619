"""This machine measured from nothing, then SmolLM2 and three mixed children of it: sums against whole models."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from common import print_table

from blockwright.measuring.recording import record
from blockwright.measuring.whole_models import speed_up_errors
from blockwright.recipes.checking import read_target

SECONDS = 60


def main() -> None:
    with TemporaryDirectory() as folder:
        recorded = record(Path(folder) / "here.yaml", "cpu", SECONDS, read_target(Path("examples/laptop.yaml")))
    rows = [
        (one.model, one.phase, one.cost_model, one.predicted_ms, one.measured_ms, 100 * one.error)
        for one in recorded.checks
    ]
    header = ("model", "phase", "cost model", "predicted, ms", "measured, ms", "% error")
    print_table("SmolLM2 and three children on this CPU (one thread, fp32, 128 tokens in, batch 1)", header, rows)
    for name in ("measured", "tables"):
        mine = [one for one in recorded.checks if one.cost_model == name]
        errors = 100 * statistics.median(abs(one.error) for one in mine)
        ratios = 100 * statistics.median(map(abs, speed_up_errors(mine)))
        print(f"\n{name}: median error {errors:.2f} %, of speed-ups {ratios:.2f} %")


if __name__ == "__main__":
    main()
