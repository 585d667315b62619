"""`llama.cpp`: its own `llama-batched-bench` on the GGUF file that our exporter writes."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from blockwright.engines import Engine, Load, Pace
from blockwright.errors import UserError
from blockwright.precision import Precision
from blockwright_plugins.engines.finding import find_program

PROGRAM = "llama-batched-bench"  # llama-bench knows one sequence only
TOKEN_IDS = "tokenizer=none"
ROUNDED = 256  # llama.cpp's caches grow in steps of so many tokens
ATTEMPTS = 5
LAST_LINES = 5  # of what it says when it fails


class LlamaCppEngine(Engine):
    """fp8 stands for q8_0, which has 6 % of scales beside its bytes. Its cache is float16, as llama.cpp has it."""

    name = "llama.cpp"
    exporter = "gguf"
    precisions: ClassVar[Mapping[Precision, Sequence[str]]] = {
        "fp16": ("precision=f16", TOKEN_IDS),
        "fp32": ("precision=f32", TOKEN_IDS),
        "bf16": ("precision=bf16", TOKEN_IDS),
        "fp8": ("precision=q8_0", TOKEN_IDS),
    }
    at_once = 1000  # a model is read anew for each round, out of the system's file cache

    def version(self) -> str:
        ended = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=False)
        said = [
            line.partition(":")[2].strip() for line in (ended.stdout + ended.stderr).splitlines() if "version" in line
        ]
        return f"llama.cpp {said[0]}" if said else "llama.cpp"

    @contextmanager
    def open(self, model: Path, load: Load) -> Iterator[Callable[[], Pace]]:
        (file,) = model.glob("*.gguf")
        command = [str(self._program), *arguments(file, load, self.settings.threads)]
        yield lambda: pace_of(_whole_output(command, load), load)

    @property
    def _program(self) -> Path:
        return find_program(self.settings, self.name, PROGRAM)


def arguments(file: Path, load: Load, threads: int) -> Sequence[str]:
    """The prompt is read once and its cache copied to all sequences, each of which has a cache of its own."""
    sequence = -(-(load.positions + 1) // ROUNDED) * ROUNDED
    return [
        "-m", str(file),
        "-c", str(sequence * max(load.batches)),
        "-npp", str(load.prefill),
        "-ntg", str(load.decode),
        "-npl", ",".join(map(str, load.batches)),
        "-pps",
        "-t", str(threads),
        "-tb", str(threads),
        "--output-format", "jsonl",
    ]  # fmt: skip


def pace_of(output: str, load: Load) -> Pace:
    """From its lines of JSON, one a batch; the prompt's time is the median of theirs."""
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    decoding: Mapping[int, float] = {row["pl"]: 1e3 * row["t_tg"] / row["tg"] for row in rows}
    missing = [batch for batch in load.batches if batch not in decoding]
    if missing:
        raise UserError(f"--batch: {PROGRAM} told nothing of {', '.join(map(str, missing))} sequences")
    return Pace(statistics.median(1e3 * row["t_pp"] for row in rows), decoding)


def _whole_output(command: Sequence[str], load: Load) -> str:
    """Its lines are written by a thread that it does not wait for at its end, so the last one may be lost."""
    for _ in range(ATTEMPTS):
        output = _output(command)
        if sum(line.startswith("{") for line in output.splitlines()) == len(load.batches):
            break
    return output


def _output(command: Sequence[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = (ended.stderr or ended.stdout).strip().splitlines()[-LAST_LINES:]
        raise UserError(f"--engine llama.cpp: {PROGRAM} ended with {ended.returncode}", *said)
    return ended.stdout
