"""A parent of the shape of Llama-3.1-405B, without weights, from check to report: time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from common import print_table

SHAPE = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "tie_word_embeddings": False,
    "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126, "vocab_size": 128256,
    "num_attention_heads": 128, "num_key_value_heads": 8, "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
}  # fmt: skip
RECIPE = """\
name: dry
parent: {model: parent, weights: false}
space: puzzle
text:
  calibration: ["pydoc:modules"]
  evaluation: ["pydoc:topics"]
  calibration_tokens: 1048576
  scoring_tokens: 131072
  heldback_tokens: 131072
  evaluation_tokens: 131072
hardware: h100-sxm
scenario: {batch: 32, input_tokens: 1024, output_tokens: 1024, tensor_parallel: 8, weights: fp8, kv: fp8}
scorer: {name: guessed}
budget: {decode_ms: 1.5x}
"""
COMMANDS = (
    ("check", "recipe.yaml"),
    ("run", "recipe.yaml"),
    ("solve", "dry", "decode_ms=2x"),
    ("sweep", "recipe.yaml", "budget.decode_ms=90%,80%,70%,60%,50%"),
    ("report", "dry"),
)


def main() -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "parent").mkdir()
        (folder / "parent" / "config.json").write_text(json.dumps(SHAPE))
        (folder / "recipe.yaml").write_text(RECIPE)
        rows = [_timed(command, folder) for command in COMMANDS]
        steps = [
            (path.parent.name, json.loads(path.read_text())["seconds"])
            for path in sorted(folder.glob("runs/dry/*/done.json"))
        ]
    _, wall, cpu, peak = zip(*rows, strict=True)
    total = ("all of them", sum(wall), sum(cpu), max(peak))
    title = f"A dry run of 126 layers and 405 B parameters; load of the machine {os.getloadavg()[0]:.1f}"
    print_table(title, ("command", "wall s", "CPU s", "peak, GiB"), [*rows, total])
    print_table("Its steps", ("step", "wall s"), steps)


def _timed(command: tuple[str, ...], folder: Path) -> tuple[str, float, float, float]:
    """Wall and CPU seconds, and the most memory that the process and its threads had."""
    program = str(Path(sys.executable).with_name("blockwright"))
    start = time.monotonic()
    process = subprocess.Popen([program, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    told = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"blockwright {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}:\n{told}")
    return " ".join(command), time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


if __name__ == "__main__":
    main()
