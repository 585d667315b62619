"""The main job of `make demo` from nothing: wall time and peak memory."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from common import print_table

RUN = Path("runs/smollm2")


def main() -> None:
    shutil.rmtree(RUN, ignore_errors=True)
    start = time.monotonic()
    command = [str(Path(sys.executable).with_name("blockwright")), "run", "examples/smollm2.yaml"]
    subprocess.run(command, check=True)
    minutes = (time.monotonic() - start) / 60
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    evaluation = json.loads(next(RUN.glob("*-evaluation/evaluation.json")).read_text())
    rows = [
        (name, evaluation[name]["kl_nats_per_token"], evaluation[name]["top1_agreement"], minutes, peak)
        for name in ("built", "final")
    ]
    header = ("child", "KL, nats/token", "top-1", "minutes in all", "peak, GiB")
    print_table("`make demo` after the install", header, rows)


if __name__ == "__main__":
    main()
