"""How a command ends: one line for the person at the keyboard, and an exit code for the script that called."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from blockwright.errors import OUT_OF_MEMORY, UserError, is_out_of_memory

MISTAKE, CRASH, INTERRUPTED = 2, 1, 130


@contextmanager
def reported(debug: bool = False, resumes: bool = False) -> Iterator[None]:
    """Words whatever ends the with-block: 2 for a user's mistakes, 1 for a crash, 130 for Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        _end("interrupted; the same command goes on from here" if resumes else "interrupted", INTERRUPTED)
    except UserError as error:
        _end(str(error), MISTAKE)
    except OSError as error:
        _end(_of_the_system(error), CRASH, debug)
    except Exception as error:  # the last door: a crash is one line here, its traceback is in the run's log
        _end(_of_a_crash(error), CRASH, debug)


def _end(message: str, code: int, debug: bool = False) -> None:
    if debug:
        raise  # called only while an exception is handled
    typer.echo(message, err=True)
    raise typer.Exit(code)


def _of_the_system(error: OSError) -> str:
    """`No space left on device: runs/x/01-library`, with what to do where that is known."""
    place = f": {error.filename}" if error.filename else ""
    hint = "; make room, and the same command goes on from here" if error.errno == errno.ENOSPC else ""
    return f"{error.strerror or error}{place}{hint}"


def _of_a_crash(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0]
    if type(error).__name__ == "StepFailed":
        return text
    hint = f"; {OUT_OF_MEMORY}" if is_out_of_memory(error) else ""
    return f"{type(error).__name__}: {text}{hint} (--debug shows where)"
