"""What `check` predicts of a run beside what the run took: seconds and disk by step, and the peak memory of it all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from common import print_table

from blockwright.recipes.checking import check_recipe

RECIPE = Path("examples/smollm2.yaml")
PROGRAM = str(Path(sys.executable).with_name("blockwright"))


def main(overrides: Sequence[str]) -> None:
    """Overrides of the recipe may make the run shorter: `text.calibration_tokens=8192`."""
    directory = check_recipe(RECIPE, overrides).directory
    shutil.rmtree(directory, ignore_errors=True)
    load = os.getloadavg()[0]
    command = (str(RECIPE), *overrides)
    checked = subprocess.run([PROGRAM, "check", *command, "--json"], check=True, capture_output=True)
    plan = json.loads(checked.stdout)
    peak = _peak_bytes([PROGRAM, "run", *command])
    rows = [_row(step, plan, directory / step) for step in plan["steps"]]
    header = ("step", "predicted s", "s", "ratio", "predicted MiB of disk, at most", "MiB", "ratio")
    title = f"Predicted and measured; load {load:.1f} at the check, {os.getloadavg()[0]:.1f} at the end"
    print_table(title, header, rows)
    least = max(plan["memory_bytes"].values())
    print_table(
        "Peak memory of the run", ("predicted MiB, at least", "MiB", "ratio"), [_compared(_mib(least), _mib(peak))]
    )


def _row(step: str, plan: Mapping[str, dict[str, float]], folder: Path) -> tuple[object, ...]:
    seconds = _compared(_of(plan["seconds"], step), _seconds(folder))
    disk = _compared(_mib(_of(plan["disk_bytes"], step)), _mib(_size(folder)))
    return step, *seconds, *disk


def _compared(predicted: float | None, measured: float | None) -> tuple[object, ...]:
    if predicted is None or not measured:
        return ("" if predicted is None else predicted, "" if measured is None else measured, "")
    return predicted, measured, measured / predicted


def _of(table: dict[str, float], step: str) -> float | None:
    return table.get(step, table.get(step.partition("-")[2]))


def _seconds(folder: Path) -> float:
    return float(json.loads((folder / "done.json").read_text())["seconds"])


def _size(folder: Path) -> float:
    return float(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))


def _mib(size: float | None) -> float | None:
    return None if size is None else size / 2**20


def _peak_bytes(command: Sequence[str]) -> float:
    """Of the process that the command starts."""
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(os.waitstatus_to_exitcode(status))
    return used.ru_maxrss * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
