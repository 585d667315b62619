"""`blockwright bench` in real engines: a child whose layers differ, its parent, and a profile of what was measured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blockwright.benching.requests import Request, bench_named
from blockwright.engines import EngineSettings, Load
from blockwright.hardware.profile import HardwareProfile

if TYPE_CHECKING:
    from tests.engines.conftest import Written

ENGINES = Path(os.environ.get("BLOCKWRIGHT_ENGINES", "nowhere"))  # the folder that tools/make_engines.sh has filled
PROGRAMS = {"llama.cpp": ENGINES / "llama.cpp/bin/llama-batched-bench", "vllm": ENGINES / "vllm/bin/python"}
LOAD = Load(prefill=64, decode=8, batches=(1, 4))


@pytest.mark.parametrize("engine", PROGRAMS)
def test_a_child_is_timed_against_its_parent(engine: str, children: Mapping[str, Written], tmp_path: Path) -> None:
    if not PROGRAMS[engine].is_file():
        pytest.skip("`make test-engines` runs real engines")
    child = children["skipped attentions"].folder
    saves = engine == "llama.cpp"  # five models more, which vLLM would take minutes to start
    file = tmp_path / "measured.yaml" if saves else None
    settings = EngineSettings(ENGINES)
    benched = bench_named(Request(str(child), engine, settings, LOAD, rounds=3, save=file))
    assert [(row.phase, row.batch) for row in benched.rows] == [("prefill", 1), ("decode", 1), ("decode", 4)]
    assert all(len(row.ratios) == 3 and row.child_tokens_per_s > 0 for row in benched.rows)
    assert all(row.ratio > 0.5 for row in benched.rows)
    if file is not None:
        assert "measured, measured" in benched.rows[0].predicted
        assert len(HardwareProfile.read(file).timings) == 3 * 3  # two parts and the rest, in three steps
