"""A command in a process group of its own: its output in a log, its end told with the log's last lines."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from blockwright.errors import UserError
from blockwright.events import emit

TAIL = 20  # lines of the log that an error shows
GRACE = 15  # seconds between asking a process to end and killing it
_OURS = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")  # they would lead another Python into Blockwright's environment


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's variables without those of its own Python; a value of None takes a variable away."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS and name not in changes}
    return kept | {name: value for name, value in changes.items() if value is not None}


def run_logged(
    words: Sequence[str], directory: Path, variables: Mapping[str, str], log: Path, timeout: float | None = None
) -> None:
    """Runs the words in `directory` until they end; UserError, with the end of the log, where they do not end well.

    What Blockwright ends by, Ctrl-C among it, ends the whole group.
    """
    with log.open("ab") as file:
        process = _started(words, directory, variables, file.fileno())
        emit("command_started", pid=process.pid, log=str(log))
        leader = directory.with_name(LEADER)
        leader.write_text(f"{process.pid}\n")
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end_group(process)
            raise _failed(f"was ended after its {timeout:g} s (timeout)", log) from None
        except BaseException:
            _end_group(process)
            raise
        finally:
            leader.unlink(missing_ok=True)
    if code:
        raise _failed(f"ended with {_cause(code)}", log)


LEADER = "command.pid"


def refuse_one_at_work(leader: Path) -> None:
    """UserError where the command of a run that was killed is still there, and would write along."""
    try:
        pid = int(leader.read_text())
        at_work = os.getsid(pid) == pid
    except (OSError, ValueError):
        return
    if at_work:
        raise UserError(
            f"stages: command: process {pid}, which a killed run has started, is still at work; "
            f"wait for it or end it (kill -- -{pid}), and type the same command again"
        )


def tail(log: Path, lines: int = TAIL) -> str:
    """The last lines, each behind a bar; of a log that is empty, that it is."""
    found = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"  | {line}" for line in found) or "  | (it has written nothing)"


def _started(
    words: Sequence[str], directory: Path, variables: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            cwd=directory,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise UserError(f"stages: command: there is no command '{words[0]}'; give its path, or set env.PATH") from None
    except PermissionError:
        raise UserError(f"stages: command: '{words[0]}' cannot be run; `chmod +x` it, or name what runs it") from None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
            process.wait(GRACE)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _failed(how: str, log: Path) -> UserError:
    return UserError(f"stages: command: {how}; the end of {log}:\n{tail(log)}")


def _cause(code: int) -> str:
    """`3`, or `SIGKILL`."""
    try:
        return str(code) if code > 0 else signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
