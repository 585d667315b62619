"""A training job in processes of its own, started by whatever the user starts processes with."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.training.job import EVENT_LINE, FAILED, REFUSED


class JobFailed(Exception):
    """The processes ended without a result; the message says why, and where their output is."""


def launch(launcher: str, job: Path, log: Path, module: str = "blockwright.training.job") -> None:
    """Runs `LAUNCHER -m MODULE JOB`, tells its events here and writes all else into `log`."""
    refused: list[str] = []
    failures: list[str] = []
    with (
        log.open("a") as file,
        _started([*command_of(launcher), "-m", module, str(job)]) as process,
    ):
        try:
            _relay(process, file, refused, failures)
        except BaseException:
            process.terminate()  # torchrun ends its processes with it
            raise
    if refused:
        raise UserError(*refused)
    if process.returncode:
        reason = failures[0] if failures else f"`{launcher}` ended with {process.returncode}"
        raise JobFailed(f"{reason}; the output of its processes is in {log}")


def command_of(launcher: str) -> list[str]:
    """The launcher's words; bare `torchrun` and `accelerate launch` are those of this Python."""
    words = shlex.split(launcher)
    if words[:1] == ["torchrun"]:
        return [sys.executable, "-m", "torch.distributed.run", *words[1:]]
    if words[:2] == ["accelerate", "launch"]:
        return [sys.executable, "-m", "accelerate.commands.launch", *words[2:]]
    return words


def _started(command: list[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise UserError(f"stages: launcher: there is no command '{command[0]}'; give one such as `torchrun`") from None


def _relay(process: subprocess.Popen[str], log: TextIO, refused: list[str], failures: list[str]) -> None:
    """Line by line, until the processes end; launchers may put a rank before each line."""
    assert process.stdout is not None
    for line in process.stdout:
        _, is_event, data = line.partition(EVENT_LINE)
        if not is_event:
            log.write(line)
            log.flush()
            continue
        event = json.loads(data)
        if event["name"] == REFUSED:
            refused[:] = event["fields"]["lines"]
        elif event["name"] == FAILED:
            failures.append(event["fields"]["error"])
        else:
            emit(event["name"], event["done"], event["total"], **event["fields"])
