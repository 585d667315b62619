"""Stock vLLM answers as torch does, without remote code, through our entry point alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engines.conftest import Written

ENGINES = os.environ.get("BLOCKWRIGHT_ENGINES", "")  # the folder that tools/make_engines.sh has filled
PYTHON = Path(ENGINES) / "vllm" / "bin" / "python"
pytestmark = pytest.mark.skipif(not (ENGINES and PYTHON.is_file()), reason="`make test-engines` runs real engines")
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
Agree = Callable[["Written", str, list[list[int]]], None]
TOKENS, ENDS = 32, [0, 2]  # how many, and those that end an answer


@pytest.fixture(scope="module")
def answers(children: Mapping[str, Written], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[list[int]]]:
    """All children through one process, since vLLM takes long to start."""
    folder = tmp_path_factory.mktemp("vllm")
    names = [name for name in children if "linear" not in name]
    jobs = [
        {
            "model": str(children[name].exported("vllm")),
            "prompts": children[name].prompts,
            "tokens": TOKENS,
            "ends": ENDS,
            "out": str(folder / f"{number}.json"),
        }
        for number, name in enumerate(names)
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [str(PYTHON), str(Path(__file__).with_name("vllm_tokens.py")), str(folder / "jobs.json")]
    ended = subprocess.run(
        command, env={**os.environ, **QUIET}, cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {name: json.loads((folder / f"{number}.json").read_text()) for number, name in enumerate(names)}


def test_every_token_is_torchs(
    name: str, children: Mapping[str, Written], answers: Mapping[str, list[list[int]]], agree: Agree
) -> None:
    agree(children[name], "vLLM", answers[name])


def test_served_over_http_both_modes_of_thinking_answer_as_torch(
    children: Mapping[str, Written], tmp_path: Path
) -> None:
    child = children["a fused run"]
    script, exported = Path(__file__).with_name("vllm_chat.py"), child.exported("vllm")
    command = [str(PYTHON), str(script), str(exported), str(TOKENS), json.dumps(ENDS)]
    ended = subprocess.run(
        command, env={**os.environ, **QUIET}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    for told in json.loads(ended.stdout.splitlines()[-1]):
        assert told["tokens"] == child.answer(child.as_prompt(told["messages"])), told["messages"][0]
