"""Library and scores of SmolLM2 on Ray: two workers of one thread against one, and one against no Ray at all.

Every way has as many cores as it has workers, all its processes together, so that the walk along the parent counts
too. `python benchmarks/fan_out.py LAYERS ROUNDS`; 30 layers and 3 rounds where nothing is said. The two cores should
have nothing else to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from common import print_table
from smollm2 import FOLDER, open_smollm2

from blockwright.executors import done_by
from blockwright.recipes.checking import check_recipe
from blockwright.running.files import LIBRARY, SCORES
from blockwright.running.integrity import checksums
from blockwright.running.pipeline import run_checked

RECIPE = Path(__file__).with_name("fan_out.yaml")
WAYS = {"in-process": 1, "ray, 1 worker": 1, "ray, 2 workers": 2}


@dataclass(frozen=True)
class Told:
    """Seconds of the steps, and a digest of their files."""

    library: float
    scores: float
    digest: str


def main() -> None:
    layers, rounds = (int(sys.argv[1]), int(sys.argv[2])) if sys.argv[2:] else (30, 3)
    _parent_of(layers)
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    digests = set()
    for number in range(rounds):
        for way, cores in list(WAYS.items())[:: 1 if number % 2 == 0 else -1]:
            told = _timed(way, cores, layers)
            print(way, told, file=sys.stderr, flush=True)
            seconds[way].append((told.library, told.scores))
            digests.add(told.digest)
    assert len(digests) == 1, "not all ways have left the same bytes"
    medians = {way: [statistics.median(one) for one in zip(*each, strict=True)] for way, each in seconds.items()}
    whole = {way: statistics.median(map(sum, each)) for way, each in seconds.items()}
    rows = [(way, WAYS[way], *medians[way], whole[way], whole["ray, 1 worker"] / whole[way]) for way in WAYS]
    header = ("way", "cores", "library, s", "scores, s", "both, s", "speed-up over one worker")
    print_table(f"{layers} layers of SmolLM2 in `puzzle`, medians of {rounds}, equal bytes", header, rows)
    print(f"\nOne Ray worker takes {100 * (whole['ray, 1 worker'] / whole['in-process'] - 1):+.1f}% against no Ray.")


def _timed(way: str, cores: int, layers: int) -> Told:
    """In a process of its own, held to so many cores with all that it starts."""
    command = [sys.executable, __file__, "--one", way, str(layers)]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    return Told(**json.loads(done.stdout.splitlines()[-1]))


def _parent_of(layers: int) -> Path:
    """SmolLM2's first layers, with their embedding and head."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = FOLDER / f"fan-out-parent-{layers}"
    if not folder.exists():
        model = AutoModelForCausalLM.from_pretrained(open_smollm2().directory, dtype=torch.float32)
        model.model.layers, model.config.num_hidden_layers = model.model.layers[:layers], layers
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(open_smollm2().directory).save_pretrained(folder)
    return folder


def _one(way: str, layers: int) -> None:
    """Seconds of the two steps by the run's own clock, behind a warm-up of the workers, and a digest of their files."""
    import torch

    torch.set_num_threads(1)
    name, _, workers = way.partition(", ")
    overrides = [f"parent.model={_parent_of(layers)}", f"executor.name={name}"]
    overrides += ["executor.address=local", f"executor.workers={workers[:1]}"] if workers else []
    checked = check_recipe(RECIPE, overrides)
    shutil.rmtree(checked.directory, ignore_errors=True)
    executor = checked.made.executor
    list(done_by(executor, _warm, range(4 * executor.workers)))
    run_checked(checked, last=SCORES)
    steps = {name: checked.directory / step for name, step in (("library", LIBRARY), ("scores", SCORES))}
    seconds = {name: json.loads((folder / "done.json").read_text())["seconds"] for name, folder in steps.items()}
    files = [checksums(folder) for folder in steps.values()]
    print(json.dumps({**seconds, "digest": hashlib.sha256(json.dumps(files).encode()).hexdigest()}))


def _warm(number: int) -> int:
    """Imports what tasks need, once in each worker."""
    from blockwright.building import apart
    from blockwright.scoring_apart import price

    time.sleep(1)
    return number + len((apart.PASSED, price))


if __name__ == "__main__":
    _one(sys.argv[2], int(sys.argv[3])) if sys.argv[1:2] == ["--one"] else main()
