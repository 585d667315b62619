"""Children against their parent in each engine that is here: speed-ups predicted from measured parts, and measured.

ENGINES=torch,llama.cpp says which, BLOCKWRIGHT_ENGINES where they are; ROUNDS=3; TOKENS=64 to decode;
PROFILES=FOLDER keeps the profiles.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from common import print_table

from blockwright.benching.recording import record_in_engine
from blockwright.benching.requests import make_engine, read_settings
from blockwright.benching.rounds import Workbench
from blockwright.errors import UserError
from blockwright.measuring.whole_models import Checked, speed_up_errors
from blockwright.recipes.checking import read_target

PRECISIONS = {"torch": "fp32", "llama.cpp": "fp16", "vllm": "bf16"}
SCENARIOS = ("scenario", "scenarios.eight")
RECIPE = Path(__file__).with_name("engines.yaml")


def main() -> None:
    for name in os.environ.get("ENGINES", "torch,llama.cpp,vllm").split(","):
        try:
            measure(name, PRECISIONS[name], int(os.environ.get("ROUNDS", "3")))
        except UserError as error:
            print(f"\n{error.lines[0]}")


def measure(name: str, precision: str, rounds: int) -> None:
    """One engine's profile, and the parent and three children of the space against it."""
    keys = [f"{scenario}.{key}" for scenario in SCENARIOS for key in ("weights", "kv")]
    tokens = [f"{scenario}.output_tokens={os.environ.get('TOKENS', '64')}" for scenario in SCENARIOS]
    target = read_target(RECIPE, [*(f"{key}={precision}" for key in keys), *tokens])
    engine = make_engine(name, read_settings(None, 1, precision))
    engine.version()
    with TemporaryDirectory() as folder:
        kept = Path(os.environ.get("PROFILES", folder)) / f"{name.replace('.', '-')}.yaml"
        kept.unlink(missing_ok=True)
        recorded = record_in_engine(Workbench(engine, Path(folder), rounds), kept, target)
    show(engine.version(), precision, recorded.checks)


def show(version: str, precision: str, checks: tuple[Checked, ...]) -> None:
    parents = {(one.phase, one.batch): one for one in checks if one.model == "parent"}
    children = [one for one in checks if one.model != "parent"]
    errors = speed_up_errors(checks)
    rows = []
    for one, error in zip(children, errors, strict=True):
        parent = parents[one.phase, one.batch]
        measured, predicted = parent.measured_ms / one.measured_ms, parent.predicted_ms / one.predicted_ms
        times = (parent.measured_ms, one.measured_ms)
        rows.append((one.model, one.phase, one.batch, *times, measured, predicted, 100 * error))
    header = ("child", "step", "batch", "parent, ms", "child, ms", "measured ratio", "predicted", "% error")
    print_table(f"{version}, {precision}, one thread", header, rows)
    own = statistics.median(abs(one.error) for one in checks)
    print(f"\nmedian error of ratios {100 * statistics.median(map(abs, errors)):.2f} %, of times {100 * own:.2f} %")


if __name__ == "__main__":
    main()
