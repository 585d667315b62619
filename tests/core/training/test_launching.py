from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.training.job import EVENT_LINE, FAILED, REFUSED
from blockwright.training.launching import JobFailed, command_of, launch


@pytest.fixture
def launcher(tmp_path: Path) -> Callable[[str], str]:
    """A command that runs these lines of Python, whatever else is on its command line."""

    def make(code: str) -> str:
        path = tmp_path / "launcher.py"
        path.write_text(code)
        return shlex.join([sys.executable, str(path)])

    return make


def told(name: str, **fields: object) -> str:
    """A line of Python that tells an event, behind the number of its rank, as srun can put it."""
    event = json.dumps({"name": name, "done": 2, "total": 3, "fields": fields})
    return f"print({'0: ' + EVENT_LINE + event!r})\n"


def test_events_are_told_here_and_all_else_goes_into_the_log(launcher: Callable[[str], str], tmp_path: Path) -> None:
    events: list[Event] = []
    with listening(events.append):
        launch(launcher("print('hello')\n" + told("step_trained", loss=0.5)), tmp_path / "job.json", tmp_path / "log")
    assert events == [Event("step_trained", {"loss": 0.5}, 2, 3)]
    assert (tmp_path / "log").read_text() == "hello\n"


def test_a_crash_is_one_line_with_the_place_of_the_output(launcher: Callable[[str], str], tmp_path: Path) -> None:
    code = told(FAILED, error="RuntimeError: out of memory") + "import sys\nsys.exit('Traceback …')"
    with pytest.raises(JobFailed, match=f"^RuntimeError: out of memory; the output .* is in {tmp_path / 'log'}$"):
        launch(launcher(code), tmp_path / "job.json", tmp_path / "log")
    assert "Traceback …" in (tmp_path / "log").read_text()


def test_processes_that_say_nothing_are_named_with_their_code(launcher: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"launcher\.py` ended with 7; "):
        launch(launcher("import sys\nsys.exit(7)"), tmp_path / "job.json", tmp_path / "log")


def test_a_mistake_of_the_user_stays_one(launcher: Callable[[str], str], tmp_path: Path) -> None:
    code = told(REFUSED, lines=["stages: batch_size 7 …"]) + "import sys\nsys.exit(2)"
    with pytest.raises(UserError, match=r"^stages: batch_size 7 …$"):
        launch(launcher(code), tmp_path / "job.json", tmp_path / "log")


def test_a_launcher_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="launcher: there is no command 'torchrum'"):
        launch("torchrum --standalone", tmp_path / "job.json", tmp_path / "log")


def test_torchrun_is_that_of_this_python() -> None:
    assert command_of("torchrun --standalone") == [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    assert command_of("srun torchrun") == ["srun", "torchrun"]
