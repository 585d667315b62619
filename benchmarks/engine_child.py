"""A child searched for llama.cpp's measured times against one found by counting parameters, both as fast there.

SmolLM2 on one thread, fp16, one sequence. BLOCKWRIGHT_ENGINES says where llama.cpp is; SPEED_UP=1.6 is what the search
is asked for, ROUNDS=5 how often models are timed. The profile stays in runs/engine-child-kept, measured once.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from common import print_table

import blockwright
from blockwright.api import Run
from blockwright.benching.models import random_model, served
from blockwright.benching.recording import record_in_engine
from blockwright.benching.requests import make_engine, read_settings
from blockwright.benching.rounds import Workbench
from blockwright.engines import Load, Pace
from blockwright.exporting.architecture import parent_of
from blockwright.exporting.exporting import child_config_of
from blockwright.recipes.checking import read_target

RECIPE, KEPT = Path(__file__).with_name("engine_child.yaml"), Path("runs/engine-child-kept")
PROFILE = KEPT / "llama-cpp.yaml"
SPEED_UP, ROUNDS = float(os.environ.get("SPEED_UP", "1.6")), int(os.environ.get("ROUNDS", "5"))
LOAD = Load(512, 64, (1,))
PARENT, TIMED, COUNTED = "parent", "by llama.cpp's times", "by parameters"
EQUAL, TRIES = 0.02, 3  # how near the speeds must be, and how often the count is set again
HEALING: Mapping[str, object] = {
    "distill": {
        "learning_rate": 5e-5,
        "batch_size": 4,
        "evaluate_every": 6,
        "checkpoint_every": 6,
        "data": {"tokens": 12_288},
    }
}
Paces = Mapping[str, Sequence[Pace]]


@dataclass(frozen=True)
class Found:
    """A child, and what it lost before and after healing, on unseen text."""

    folder: Path
    params: int
    decode_ms: float  # predicted
    built: Mapping[str, float]
    final: Mapping[str, float]


def main() -> None:
    engine = make_engine("llama.cpp", read_settings(None, 1, "fp16"))
    engine.version()
    KEPT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=KEPT) as folder:
        bench = Workbench(engine, Path(folder), ROUNDS)
        if not PROFILE.is_file():
            record_in_engine(bench, PROFILE, read_target(RECIPE))
        timed = _searched(TIMED, f"decode_ms: {SPEED_UP}x")
        counted, paces = _as_fast(timed, bench)
    header = (
        "search",
        "params",
        "decode, ms",
        "speed-up",
        "quartiles",
        "predicted",
        "KL, built",
        "KL, healed",
        "top-1",
    )
    rows = list(_rows({TIMED: timed, COUNTED: counted}, paces))
    print_table(f"{engine.version()}: SmolLM2 faster at decoding behind 512 tokens, unseen text", header, rows)
    print(f"parent: {_median(paces[PARENT]):.2f} ms a token; {ROUNDS} rounds in turn, fp16, one thread")


def _searched(name: str, budget: str) -> Found:
    run = blockwright.run(RECIPE, *_overrides(budget), f"stages={json.dumps([HEALING])}")
    kept = KEPT / name.replace(" ", "-")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run.child, kept)
    built, final = (run.evaluation[moment] for moment in ("built", "final"))
    assert isinstance(built, dict) and isinstance(final, dict)
    return Found(kept, run.graph.params, run.solution.costs["decode_ms"], built, final)


def _overrides(budget: str) -> tuple[str, ...]:
    return f"hardware={PROFILE.resolve()}", "cost_model={name: measured}", f"budget={{{budget}}}"


def _as_fast(timed: Found, bench: Workbench) -> tuple[Found, Paces]:
    """The child by parameters that the engine runs at the timed child's speed, and the paces of all three."""
    limit = timed.decode_ms
    for left in reversed(range(TRIES)):
        run = blockwright.run(RECIPE, *_overrides(f"params: {_params_for(limit)}"))
        ratio = _ratio(_timed_in_turn(bench, timed.folder, run.child))
        print(f"by parameters: {run.graph.params:,}, {ratio:.3f} times as fast as by times", flush=True)
        if abs(ratio - 1) <= EQUAL or not left:
            break
        limit *= ratio
    counted = _searched(COUNTED, f"params: {_params_for(limit)}")
    return counted, _timed_in_turn(bench, timed.folder, counted.folder)


def _params_for(decode_ms: float) -> int:
    """The most parameters at which a child, whose limit is on them alone, is predicted to decode within that time."""
    run = blockwright.open_run("engine-child")
    low, high = run.graph.params // 2, _parent_params(run)
    while high - low > 1000:
        middle = (low + high) // 2
        fast = run.solve({"params": middle}).costs["decode_ms"] <= decode_ms
        low, high = (middle, high) if fast else (low, middle)
    return low


def _parent_params(run: Run) -> int:
    return int(run.files.prices().parent["params"])


def _timed_in_turn(bench: Workbench, timed: Path, counted: Path) -> Paces:
    with TemporaryDirectory(dir=bench.folder) as folder:
        models = {
            PARENT: random_model(bench.engine, parent_of(child_config_of(timed)), Path(folder) / "parent"),
            TIMED: served(bench.engine, timed, Path(folder) / "timed"),
            COUNTED: served(bench.engine, counted, Path(folder) / "counted"),
        }
        return bench.timed(models, LOAD)


def _ratio(paces: Paces) -> float:
    return statistics.median(
        slow.decode_ms[1] / fast.decode_ms[1] for slow, fast in zip(paces[TIMED], paces[COUNTED], strict=True)
    )


def _median(paces: Sequence[Pace]) -> float:
    return statistics.median(pace.decode_ms[1] for pace in paces)


def _rows(found: Mapping[str, Found], paces: Paces) -> Iterator[Sequence[object]]:
    parent_ms = blockwright.open_run("engine-child").files.prices().parent["decode_ms"]
    for name, child in found.items():
        pairs = zip(paces[PARENT], paces[name], strict=True)
        low, middle, high = statistics.quantiles([slow.decode_ms[1] / fast.decode_ms[1] for slow, fast in pairs], n=4)
        speed = _median(paces[name]), middle, f"{low:.3f}-{high:.3f}", parent_ms / child.decode_ms
        losses = (child.built["kl_nats_per_token"], child.final["kl_nats_per_token"], child.final["top1_agreement"])
        yield name, child.params, *speed, *losses


if __name__ == "__main__":
    main()
