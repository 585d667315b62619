"""vLLM's driver: what it is told, what it answers, and processes that end before they do."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from blockwright.engines import EngineSettings, Load
from blockwright.errors import UserError
from blockwright_plugins.engines.finding import VARIABLE
from blockwright_plugins.engines.vllm_process import ANSWER, VLLMEngine, driver_settings, environment, pace_of

LOAD = Load(prefill=16, decode=4, batches=(1, 3))
RECORDED = (
    ANSWER + '{"prompt": 0.016, "batches": {"1": {"first": 0.02, "all": 0.06}, "3": {"first": 0.05, "all": 0.17}}}'
)


def test_decoding_is_what_more_tokens_take_beyond_the_first() -> None:
    pace = pace_of(RECORDED, LOAD)
    assert pace.prefill_ms == pytest.approx(16.0)
    assert pace.decode_ms == pytest.approx({1: 10.0, 3: 30.0})


def test_all_prompts_of_a_batch_fit_into_one_step_and_none_is_remembered() -> None:
    told = driver_settings(Load(512, 64, (1, 8)), "bfloat16")["engine"]
    assert isinstance(told, dict)
    assert told["max_num_batched_tokens"] >= 8 * 512
    assert told["max_model_len"] > 512 + 64
    assert (told["dtype"], told["max_num_seqs"], told["enable_prefix_caching"]) == ("bfloat16", 8, False)


def test_threads_are_told_to_openmp_and_the_hub_is_left_alone() -> None:
    told = environment(3)
    assert (told["OMP_NUM_THREADS"], told["HF_HUB_OFFLINE"]) == ("3", "1")


def test_where_it_is_not_the_error_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"--engine vllm: no python on the path; type `bash tools/make_engines.sh"):
        VLLMEngine().version()
    python(tmp_path, "exit 1")
    with pytest.raises(UserError, match=r"has no vLLM; type `.*python -m pip install vllm`"):
        VLLMEngine(EngineSettings(tmp_path)).version()


def test_one_process_answers_round_by_round_and_what_else_it_prints_is_passed_over(tmp_path: Path) -> None:
    python(tmp_path, f"while read line; do echo INFO loading; echo '{RECORDED}'; done")
    with VLLMEngine(EngineSettings(tmp_path)).open(tmp_path, LOAD) as run:
        assert [run(), run()] == [pace_of(RECORDED, LOAD)] * 2


def test_a_process_that_ends_is_told_with_its_last_lines(tmp_path: Path) -> None:
    python(tmp_path, "echo 'ValueError: no such model' >&2; exit 3")
    opened = VLLMEngine(EngineSettings(tmp_path)).open(tmp_path, LOAD)
    with pytest.raises(UserError, match="its process ended with 3\nValueError: no such model"), opened:
        pass


def python(folder: Path, script: str) -> None:
    """A program in the place of the environment's Python."""
    file = folder / "vllm" / "bin" / "python"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)
