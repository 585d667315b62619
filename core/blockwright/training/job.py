"""A training as a file: `python -m blockwright.training.job JOB.json`, which torchrun may start many times."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.training.outcome import Outcome
from blockwright.training.settings import TrainingSettings

if TYPE_CHECKING:
    from blockwright.training.processes import Processes

EVENT_LINE = "@blockwright "  # what a line of standard output that carries an event begins with
FAILED, REFUSED = "job_failed", "job_refused"


class TrainingJob(BaseModel):
    """Folders of the parent, the child, the packed corpus and the held-back tokens (a safetensors file), and options.

    `directory` is where the job writes: losses, evaluations, checkpoints and the best child.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    parent: Path
    child: Path
    corpus: Path
    heldback: Path
    directory: Path
    seed: int
    settings: TrainingSettings

    def write(self) -> Path:
        from blockwright.files import write_json

        path = self.directory / "job.json"
        write_json(path, self.model_dump(mode="json"))
        return path


def run_job(job: TrainingJob, processes: Processes) -> Outcome:
    """Trains, or reads what a finished training came to. All processes call it together."""
    import torch

    from blockwright.training.distillation import Distillation

    with alone_in(job.directory, processes.is_first), torch.random.fork_rng():
        processes.wait_for_all()
        return Outcome.read(job.directory) or Distillation(job, processes).run()


@contextmanager
def alone_in(directory: Path, is_first: bool) -> Iterator[None]:
    """Waits until nobody else trains there: processes of a run that was killed end at the next event they tell."""
    if not is_first:
        yield
        return
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(path: Path) -> int:
    """Tells events on standard output; a mistake of the user ends in 2, without a traceback."""
    from blockwright.training.processes import joined_processes

    try:
        job = TrainingJob.model_validate(json.loads(path.read_text()))
        with joined_processes() as processes, listening(tell if processes.is_first else keep_quiet):
            run_job(job, processes)
    except UserError as error:
        tell(Event(REFUSED, {"lines": list(error.lines)}))
        return 2
    except Exception as error:  # told in one line as well, for whoever reads the events; the traceback follows
        tell(Event(FAILED, {"error": f"{type(error).__name__}: {error}"}))
        raise
    return 0


def tell(event: Event) -> None:
    """As a line of standard output, for the process that has launched this one."""
    fields = {"name": event.name, "done": event.done, "total": event.total, "fields": event.fields}
    sys.stdout.write(f"{EVENT_LINE}{json.dumps(fields, default=str)}\n")
    sys.stdout.flush()


def keep_quiet(event: Event) -> None:
    """Of the other processes: the first one tells what all of them do."""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
