"""How a command ends: one line for the person at the keyboard, and an exit code for the script that called."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from blockwright.errors import UserError, hint_for

MISTAKE, CRASH, INTERRUPTED, TERMINATED = 2, 1, 130, 143


class Terminated(BaseException):
    """SIGTERM, raised where the program is, so that what it has begun is put away as for Ctrl-C."""


@contextmanager
def reported(debug: bool = False, resumes: bool = False) -> Iterator[None]:
    """Words whatever ends the with-block: 2 for a user's mistakes, 1 for a crash, 130 for Ctrl-C, 143 for SIGTERM."""
    again = "; the same command goes on from here" if resumes else ""
    try:
        with _termination_raised():
            yield
    except KeyboardInterrupt:
        _end(f"interrupted{again}", INTERRUPTED)
    except Terminated:
        _end(f"terminated{again}", TERMINATED)
    except UserError as error:
        _end(str(error), MISTAKE)
    except OSError as error:
        _end(_of_the_system(error), CRASH, debug)
    except Exception as error:  # the last door: a crash is one line here, its traceback is in the run's log
        _end(_of_a_crash(error), CRASH, debug)


@contextmanager
def _termination_raised() -> Iterator[None]:
    """Signals reach the main thread alone; a second SIGTERM, or one in a fork of it, ends the process as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = os.getpid()

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() == own:
            raise Terminated
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(message: str, code: int, debug: bool = False) -> None:
    if debug:
        raise  # called only while an exception is handled
    typer.echo(message, err=True)
    raise typer.Exit(code)


def _of_the_system(error: OSError) -> str:
    """`No space left on device: runs/x/01-library`, with what to do where that is known."""
    place = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{place}{hint_for(error)}"


def _of_a_crash(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0]
    if type(error).__name__ == "StepFailed":
        return text
    return f"{type(error).__name__}: {text}{hint_for(error)} (--debug shows where)"
