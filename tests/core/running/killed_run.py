"""Runs a recipe in a process of its own that kills itself at the nth event of a step: `killed_run.py RECIPE STEP N`.

The event is counted from the step's start; N past the last event lets the step finish and kills nothing.
"""

import os
import signal
import sys

from blockwright.api import run
from blockwright.events import Event, listening


class Killer:
    """A listener that ends this process with SIGKILL, as a power cut would."""

    def __init__(self, step: str, event: int) -> None:
        self.step, self.left = step, event
        self.inside = False

    def __call__(self, event: Event) -> None:
        if event.name == "step_started":
            self.inside = event.fields["step"] == self.step
        if event.name == "step_finished":
            self.inside = False
        if not self.inside:
            return
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


if __name__ == "__main__":
    recipe, step, event = sys.argv[1:]
    with listening(Killer(step, int(event))):
        run(recipe)
