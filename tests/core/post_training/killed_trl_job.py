"""Runs a job in this process, which kills itself as soon as a step is told: `killed_trl_job.py JOB STEP`."""

import json
import os
import signal
import sys
from pathlib import Path

from blockwright.events import Event, listening
from blockwright.post_training.job import TrlJob, run_job

if __name__ == "__main__":
    job, step = sys.argv[1:]

    def kill(event: Event) -> None:
        if event.name == "step_trained" and event.fields["step"] == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(kill):
        run_job(TrlJob.model_validate(json.loads(Path(job).read_text())))
