"""Runs a job in this process, which kills itself as soon as an event is told: `killed_job.py JOB EVENT STEP`."""

import json
import os
import signal
import sys
from pathlib import Path

from blockwright.events import Event, listening
from blockwright.training.job import TrainingJob, run_job
from blockwright.training.processes import one_process

if __name__ == "__main__":
    job, name, step = sys.argv[1:]

    def kill(event: Event) -> None:
        if event.name == name and event.fields["step"] == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        run_job(TrainingJob.model_validate(json.loads(Path(job).read_text())), one_process())
