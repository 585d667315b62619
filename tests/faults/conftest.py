"""A tiny pipeline (search, distillation, reasoning SFT), run as the command line runs it, by processes that suffer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from blockwright.files import sha256_of
from blockwright.seals import DONE

RECIPE = """\
name: tiny
parent: {{model: {parent}}}
space:
  variants:
    attention: [keep, {{kv_heads: 1}}, linear, skip]
    ffn: [keep, {{narrow: 50%}}, skip]
text:
  calibration: [{text}/learn.txt]
  evaluation: [{text}/judge.txt]
  sequence_length: 32
  calibration_tokens: 1024
  scoring_tokens: 256
  heldback_tokens: 256
  evaluation_tokens: 256
budget: {{params: 75%}}
search: {{rounds: 1}}
stages:
  - distill:
      {{data: {{tokens: 2048}}, batch_size: 8, learning_rate: 3e-4, evaluate_every: 2, checkpoint_every: 2}}
  - reasoning-sft:
      {{questions: [{{generator: gcd, count: 8}}], heldout: 2, answer_tokens: 8, steps: 6, batch_size: 2,
       learning_rate: 3e-4, sequence_length: 512, checkpoint_every: 2}}
runs: {runs}
"""
STEPS = (
    "00-parent", "01-library", "02-scores", "03-costs", "04-solve", "05-build", "06-distill", "07-reasoning-sft",
    "08-evaluation",
)  # fmt: skip
PROMISED = ("solution.json", "scores.json", "costs.json", "evaluation.json", "stage.json", "answers-after.json")
WARM = Path(__file__).with_name("warm_python.py")
PATIENCE_S = 300
READABLE = 0o755


@dataclass(frozen=True)
class Started:
    """A process of `blockwright run` and what it says."""

    pid: int
    output: Path

    def said(self) -> str:
        return self.output.read_text(errors="replace")


class WarmPython:
    """Starts processes of `python -m blockwright` from one that has imported all that they need."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        with (folder / "warm.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(WARM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._answer() == "ready", (folder / "warm.log").read_text()

    def start(self, *arguments: str, **suffers: int) -> Started:
        """`suffers`: file_bytes, memory_bytes, user."""
        output = self._folder / f"output-{next(self._numbers)}.txt"
        output.touch()
        return Started(int(self._asked({"arguments": arguments, "output": str(output), **suffers})), output)

    def wait(self, started: Started) -> int:
        """The exit code, or less than zero for the signal that ended it."""
        return int(self._asked({"wait": started.pid}))

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE_S)

    def _asked(self, order: dict[str, object]) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass(frozen=True)
class Pipeline:
    """The recipe in a folder of its own, run by warm processes."""

    recipe: Path
    python: WarmPython

    @property
    def directory(self) -> Path:
        return self.recipe.parent / "runs" / "tiny"

    def start(self, *overrides: str, **suffers: int) -> Started:
        return self.python.start("run", str(self.recipe), *overrides, **suffers)

    def end(self, *overrides: str, **suffers: int) -> tuple[int, str]:
        """Runs to its end: the exit code and all that it said."""
        started = self.start(*overrides, **suffers)
        return self.python.wait(started), started.said()

    def finish(self) -> dict[str, str]:
        """Runs to a good end; what it promised."""
        code, said = self.end()
        assert code == 0, said
        return self.results()

    def results(self) -> dict[str, str]:
        """SHA-256 of the solution, scores, weights, losses and answers, by their place in the run."""
        wanted = [path for path in self.directory.rglob("*") if path.suffix == ".safetensors" or path.name in PROMISED]
        found = {str(path.relative_to(self.directory)): sha256_of(path) for path in wanted}
        return {name: digest for name, digest in found.items() if "/checkpoints/" not in name}

    def finished_steps(self) -> dict[str, bytes]:
        """The records of the steps that are done, byte by byte."""
        return {path.parent.name: path.read_bytes() for path in sorted(self.directory.glob(f"*/{DONE}"))}

    def log(self) -> list[dict[str, object]]:
        """The events of all starts; a line that a kill has cut is left out."""
        path = self.directory / "log.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}\n")]

    def wait_for_events(self, number: int, started: Started, since: int = 0) -> bool:
        """Until so many more events are in the log; False where the process has ended before."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.log()) - since < number:
            if _is_over(started.pid):
                return False
            assert time.monotonic() < deadline, started.said()
            time.sleep(0.002)
        return True

    def strike(self, started: Started, number: signal.Signals) -> int:
        """Sends a signal and waits for the end."""
        os.kill(started.pid, number)
        return self.python.wait(started)


def _is_over(pid: int) -> bool:
    """Gone, or waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture(scope="session")
def injected() -> Callable[[str], AbstractContextManager[None]]:
    """Counts a fault of a kind: survived where the block ends well, else lost; for the table of the benchmark."""

    @contextmanager
    def counted(kind: str) -> Iterator[None]:
        survived = False
        try:
            yield
            survived = True
        finally:
            if tally := os.environ.get("BLOCKWRIGHT_FAULTS_TALLY"):
                with Path(tally).open("a") as file:
                    file.write(json.dumps({"kind": kind, "survived": survived}) + "\n")

    return counted


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPython]:
    python = WarmPython(tmp_path_factory.mktemp("warm"))
    yield python
    python.close()


@pytest.fixture(scope="session")
def materials(chatting_parent: Path, text_folder: Path) -> dict[str, Path]:
    return {"parent": chatting_parent, "text": text_folder}


@pytest.fixture(scope="session")
def make_pipeline(materials: dict[str, Path], warm_python: WarmPython) -> Callable[[Path], Pipeline]:
    def make(folder: Path) -> Pipeline:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *folder.parents[:2], *materials.values()):
            place.chmod(READABLE)  # by processes of another user
        for file in materials["parent"].iterdir():
            file.chmod(READABLE)
        recipe = folder / "recipe.yaml"
        recipe.write_text(RECIPE.format(**materials, runs=folder / "runs"))
        return Pipeline(recipe, warm_python)

    return make


@pytest.fixture
def pipeline(make_pipeline: Callable[[Path], Pipeline], tmp_path: Path) -> Pipeline:
    return make_pipeline(tmp_path)


@dataclass(frozen=True)
class Uninterrupted:
    """The run without a fault: what it promises, and when in it each event was told, in seconds from its start."""

    pipeline: Pipeline
    results: dict[str, str]
    moments: list[float] = field(default_factory=list)


@pytest.fixture(scope="session")
def uninterrupted(make_pipeline: Callable[[Path], Pipeline], tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    from datetime import datetime

    whole = make_pipeline(tmp_path_factory.mktemp("uninterrupted"))
    results = whole.finish()
    assert tuple(whole.finished_steps()) == STEPS
    assert sum("stage.json" in name for name in results) == 2
    times = [datetime.fromisoformat(str(event["timestamp"])).timestamp() for event in whole.log()]
    return Uninterrupted(whole, results, [moment - times[0] for moment in times])


@pytest.fixture
def copy_of_the_run(uninterrupted: Uninterrupted, pipeline: Pipeline) -> Callable[[str | None], Pipeline]:
    """The finished run in this test's folder; with a step, that one and all after it are still to be done."""

    def copy(first_to_do: str | None = None) -> Pipeline:
        shutil.rmtree(pipeline.directory, ignore_errors=True)
        shutil.copytree(uninterrupted.pipeline.directory, pipeline.directory, symlinks=True)
        for step in STEPS if first_to_do else ():
            if step >= str(first_to_do):
                shutil.rmtree(pipeline.directory / step)
        return pipeline

    return copy
