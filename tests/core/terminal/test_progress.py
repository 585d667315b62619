"""What a person sees of a run under way: the step, the count, the rate and the time left."""

from __future__ import annotations

import io

from blockwright.events import Event, emit
from blockwright.terminal.progress import Pace, as_rate, shown_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_pace_is_the_mean_since_the_first_of_a_word() -> None:
    times = iter([0.0, 4.0, 20.0])
    pace = Pace(lambda: next(times))
    assert pace.of(Event("layer_built", done=1, total=5)) == ""
    assert pace.of(Event("layer_built", done=3, total=5)) == " (2 s each, 4 s left)"
    assert pace.of(Event("layer_built", done=5, total=5)) == " (5 s each)"


def test_a_new_step_starts_anew() -> None:
    times = iter([0.0, 10.0])
    pace = Pace(lambda: next(times))
    pace.of(Event("layer_built", done=1, total=5))
    pace.of(Event("step_started", {"step": "02-scores"}))
    assert pace.of(Event("layer_built", done=2, total=5)) == ""


def test_rates_are_readable() -> None:
    assert as_rate(12.34) == "12.3/s"
    assert as_rate(0.25) == "4 s each"


def test_lines_tell_count_and_rate() -> None:
    stream = io.StringIO()
    with shown_progress(stream):
        emit("step_started", step="01-library")
        for done in (1, 2, 3):
            emit("layer_built", done=done, total=3, layer=done - 1)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "step_started step=01-library"
    assert lines[2].startswith("layer_built 2/3 layer=1 (")
    assert lines[2].endswith(" left)")


def test_bars_on_a_terminal_end_without_an_error() -> None:
    with shown_progress(Terminal()):
        emit("step_started", step="01-library")
        emit("layer_built", done=1, total=3)
        emit("step_finished", step="01-library", seconds=1)
