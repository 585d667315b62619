"""Runs a job as the launcher does, with FSDP2 on CPUs, where accelerate alone would take DDP.

`fsdp2_on_cpus.py JOB` prints what the weights are of at the end; `KILL_AT` in the environment is a step to die at.
"""

import os
import signal
import sys
from pathlib import Path

from accelerate.state import AcceleratorState, DistributedType, PartialState

from blockwright.events import Event, listening
from blockwright.post_training import sft
from blockwright.post_training.job import main

make_state, train_to_the_end = AcceleratorState.__init__, sft.train_to_the_end


def make_sharding_state(self, *arguments, fsdp_plugin=None, **named):  # type: ignore[no-untyped-def]
    make_state(self, *arguments, fsdp_plugin=fsdp_plugin, **named)
    if self.distributed_type == DistributedType.MULTI_CPU and fsdp_plugin is not None:
        self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP
        self.fsdp_plugin = fsdp_plugin


def train_and_tell(trainer, *arguments):  # type: ignore[no-untyped-def]
    train_to_the_end(trainer, *arguments)
    kinds = {type(parameter).__name__ for parameter in trainer.model.parameters()}
    sys.stdout.write(f"weights: {sorted(kinds)} on {trainer.accelerator.num_processes}\n")


def kill(event: Event) -> None:
    if event.name == "step_trained" and event.fields["step"] == int(os.environ.get("KILL_AT", "0")):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    AcceleratorState.__init__ = make_sharding_state  # type: ignore[method-assign]
    sft.train_to_the_end = train_and_tell
    with listening(kill):
        sys.exit(main(Path(sys.argv[1])))
