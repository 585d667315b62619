"""llama.cpp's own benchmark: what it is told, and its answer as it was recorded from the real program."""

from __future__ import annotations

import os
import stat
from itertools import pairwise
from pathlib import Path

import pytest

from blockwright.engines import EngineSettings, Load
from blockwright.errors import UserError
from blockwright_plugins.engines.finding import VARIABLE
from blockwright_plugins.engines.llama_cpp import PROGRAM, LlamaCppEngine, arguments, pace_of

RECORDED = (Path(__file__).with_name("data") / "llama-batched-bench.txt").read_text()  # of the load below
LOAD = Load(prefill=16, decode=4, batches=(1, 3))


def test_each_sequence_gets_a_cache_of_its_own_for_prompt_and_answer() -> None:
    told = arguments(Path("model.gguf"), Load(prefill=512, decode=64, batches=(1, 8)), threads=2)
    given = dict(pairwise(told))
    assert (given["-npp"], given["-ntg"], given["-npl"], given["-t"]) == ("512", "64", "1,8", "2")
    assert int(given["-c"]) == 8 * 768  # the next multiple of 256 above 577
    assert "-pps" in told and given["--output-format"] == "jsonl"


def test_recorded_output_becomes_milliseconds_of_the_prompt_and_of_a_step() -> None:
    pace = pace_of(RECORDED, LOAD)
    assert pace.prefill_ms == pytest.approx((0.685 + 0.396) / 2)
    assert pace.decode_ms == pytest.approx({1: 0.241 / 4, 3: 36.690 / 4})


def test_a_batch_that_nothing_is_told_of_is_a_mistake() -> None:
    with pytest.raises(UserError, match="told nothing of 8 sequences"):
        pace_of(RECORDED, Load(16, 4, (1, 8)))


def test_where_it_is_not_the_error_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no llama-batched-bench on the path; type `bash tools/make_engines.sh"):
        LlamaCppEngine().version()
    with pytest.raises(UserError, match=f"no llama-batched-bench in {tmp_path}"):
        LlamaCppEngine(EngineSettings(tmp_path)).version()


@pytest.mark.parametrize("place", ["llama.cpp/bin", "bin", "."])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_it_is_found_in_folders_of_engines_and_in_its_own(
    place: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / place, 'echo "version: 7 (abc)" >&2')
    if by == "variable":
        monkeypatch.setenv(VARIABLE, str(tmp_path))
    engine = LlamaCppEngine(EngineSettings(tmp_path if by == "option" else None))
    assert engine.version() == "llama.cpp 7 (abc)"


def test_what_the_program_prints_is_timed_and_its_failure_told(tmp_path: Path) -> None:
    (tmp_path / "model-f16.gguf").touch()
    program(tmp_path, f"cat {Path(__file__).with_name('data') / 'llama-batched-bench.txt'}")
    with LlamaCppEngine(EngineSettings(tmp_path)).open(tmp_path, LOAD) as run:
        assert run() == pace_of(RECORDED, LOAD)
    program(tmp_path, "echo 'error: unable to load model' >&2; exit 1")
    with (
        LlamaCppEngine(EngineSettings(tmp_path)).open(tmp_path, LOAD) as run,
        pytest.raises(UserError, match="ended with 1\nerror: unable to load model"),
    ):
        run()


def test_a_line_that_was_lost_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "model-f16.gguf").touch()
    recorded, asked = Path(__file__).with_name("data") / "llama-batched-bench.txt", tmp_path / "asked"
    program(tmp_path, f"if test -e {asked}; then cat {recorded}; else head -1 {recorded}; touch {asked}; fi")
    with LlamaCppEngine(EngineSettings(tmp_path)).open(tmp_path, LOAD) as run:
        assert run() == pace_of(RECORDED, LOAD)


def program(folder: Path, script: str) -> None:
    """A program in llama.cpp's place."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / PROGRAM
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)
    assert os.access(file, os.X_OK)
