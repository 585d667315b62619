"""A training on TRL as a file: `LAUNCHER -m blockwright.post_training.job JOB.json`, or run in this process."""

from __future__ import annotations

import importlib
import json
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from blockwright.errors import UserError
from blockwright.events import listening
from blockwright.files import write_json
from blockwright.post_training.saving import is_first_process
from blockwright.training.job import FAILED, REFUSED, alone_in, keep_quiet, tell

if TYPE_CHECKING:
    from blockwright.stages import StageContext

OUTCOME = "outcome.json"
Logs = tuple[Mapping[str, float], ...]  # a row a logged step: `step` and what the trainer logged


class TrlOutcome(BaseModel):
    """What a training came to: the child, its steps and what was logged at each."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    child: Path
    steps: int
    logs: Logs

    def curve(self, column: str) -> list[tuple[int, float]]:
        """(step, value) of the rows that have it."""
        return [(int(row["step"]), row[column]) for row in self.logs if column in row]

    def curves(self, named: Mapping[str, str]) -> dict[str, list[tuple[int, float]]]:
        """By the names that the report shows, for columns of the log; those that are not there have none."""
        found = {name: self.curve(column) for column, name in named.items()}
        return {name: curve for name, curve in found.items() if curve}


class TrlJob(BaseModel):
    """A training of the child in `child`, written to `directory`.

    `trains` is `module:function`, called with the job in every process; it ends in `finish`, in all of them. `options`
    is the stage's section of the recipe. Whatever data it needs is in files of `directory`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trains: str
    child: Path
    directory: Path
    seed: int
    options: Mapping[str, object]

    @classmethod
    def of(cls, context: StageContext, trains: str, settings: BaseModel, form: type[BaseModel]) -> TrlJob:
        """That of a stage: of its `settings` those that are the training's, which `form` names."""
        return cls(
            trains=trains,
            child=context.child.resolve(),
            directory=context.directory.resolve(),
            seed=context.seed,
            options=settings.model_dump(mode="json", include=set(form.model_fields)),
        )

    @property
    def checkpoints(self) -> Path:
        return self.directory / "checkpoints"

    def outcome(self) -> TrlOutcome | None:
        """None while the training is not finished."""
        path = self.directory / OUTCOME
        return TrlOutcome.model_validate(json.loads(path.read_text())) if path.exists() else None

    def write(self) -> Path:
        path = self.directory / "job.json"
        write_json(path, self.model_dump(mode="json"))
        return path


def run_job(job: TrlJob, launcher: str | None = None) -> TrlOutcome:
    """Trains here, or in the processes that `launcher` starts; a finished training is read back."""
    from blockwright.post_training.launching import with_configurations
    from blockwright.training.launching import launch

    job.directory.mkdir(parents=True, exist_ok=True)
    if job.outcome() is None:
        path = job.write()
        if launcher is None:
            train(job)
        else:
            launch(with_configurations(launcher), path, job.directory / "launcher.log", module=__name__)
    outcome = job.outcome()
    assert outcome is not None, "a job that ends well has written its outcome"
    return outcome


def train(job: TrlJob) -> None:
    """In this process, which may be one of many."""
    module, _, function = job.trains.partition(":")
    with alone_in(job.directory, is_first_process()), _own_randomness():
        if job.outcome() is None:
            getattr(importlib.import_module(module), function)(job)


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Trainers seed everything there is; what the run draws afterwards shall not know."""
    import numpy as np
    import torch

    pythons, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(pythons)
    np.random.set_state(numpys)


def main(path: Path) -> int:
    """Tells events on standard output; a mistake of the user ends in 2, without a traceback."""
    from blockwright.events import Event

    try:
        job = TrlJob.model_validate(json.loads(path.read_text()))
        with listening(tell if is_first_process() else keep_quiet):
            train(job)
    except UserError as error:
        tell(Event(REFUSED, {"lines": list(error.lines)}))
        return 2
    except Exception as error:  # told in one line as well, for whoever reads the events; the traceback follows
        tell(Event(FAILED, {"error": f"{type(error).__name__}: {error}"}))
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
