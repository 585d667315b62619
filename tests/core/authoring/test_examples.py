"""The plugins of `examples/plugins`, installed like any other: they keep their contracts and work in real searches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples" / "plugins"
PLUGINS = ("edge-board", "gated-linear", "lagrange", "sliding-window")
MANY = "scenario: {batch: 64, input_tokens: 48, output_tokens: 16}"  # most of its memory is caches
CHECKS = """
import json, sys
from dataclasses import asdict
from blockwright.contracts.checking import check_plugin
from blockwright.plugins import Plugins
plugins = Plugins.load()
done = {name: [asdict(one) for row in plugins.find(name) for one in check_plugin(row)] for name in sys.argv[1:]}
print(json.dumps(done))
"""
SEARCHES = """
import sys
from blockwright.api import run
for recipe in sys.argv[1:]:
    run(recipe)
"""
COSTS = """
import json, sys
from blockwright.api import open_run
print(json.dumps(dict(open_run(sys.argv[1]).solution.costs)))
"""
LOADED = """
import sys
from pathlib import Path
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("blockwright", "blockwright_plugins", "gated_linear"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
layers = [type(layer.self_attn).__name__ for layer in model.model.layers]
assert "GatedLinearAttention" in layers, layers
tokens = torch.randint(4, 64, (2, 70), generator=torch.Generator().manual_seed(0))
settings = dict(max_new_tokens=6, min_new_tokens=6, do_sample=False, pad_token_id=3)
with torch.no_grad():
    whole = model(tokens, use_cache=False).logits
    begun = model(tokens[:, :65], use_cache=True)
    cache, steps = getattr(begun, "cache", None) or begun.past_key_values, [begun.logits]
    for at in range(65, 70):
        after = model(tokens[:, at : at + 1], use_cache=True, past_key_values=cache)
        steps.append(after.logits)
    assert torch.allclose(torch.cat(steps, 1), whole, atol=1e-4), (torch.cat(steps, 1) - whole).abs().max()
    alone = model.generate(tokens[:1, :9], attention_mask=torch.ones(1, 9, dtype=torch.long), **settings)[:, 9:]
    padded = torch.cat([torch.full((1, 4), 3), tokens[:1, :9]], 1)
    mask = torch.cat([torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 9, dtype=torch.long)], 1)
    beside = model.generate(padded, attention_mask=mask, **settings)[:, 13:]
    assert alone.equal(beside), (alone, beside)
assert "blockwright" not in sys.modules and "gated_linear" not in sys.modules
"""


def run(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Python with the packages installed below `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1", **more}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


def worked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four, by pip without a network, into a folder of their own."""
    folder = tmp_path_factory.mktemp("examples")
    arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    packages = [str(EXAMPLES / name) for name in PLUGINS]
    worked(run(*arguments, str(folder / "site"), *packages, folder=folder))
    return folder


@pytest.fixture(scope="module")
def searched(
    installed: Path, make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A search with each of them, and where its run is."""
    changes = {
        "sliding-window": (
            ("attention: [keep, {kv_heads: 1}, linear, skip]", "attention: [keep, {sliding_window: 4}]"),
            ("ffn: [keep, {narrow: 50%}, skip]", "ffn: [keep]"),
            ("params: 90%", f"memory: 85%\n{MANY}"),
        ),
        "lagrange": (("params: 90%", "params: 90%\nsolver: {name: lagrange, steps: 50}"),),
        "edge-board": (("params: 90%", "decode_ms: 90%\nhardware: edge-board"),),
        "gated-linear": (
            ("attention: [keep, {kv_heads: 1}, linear, skip]", "attention: [keep, gated_linear]"),
            ("ffn: [keep, {narrow: 50%}, skip]", "ffn: [keep]"),
            ("params: 90%", f"memory: 60%\n{MANY}"),
            ("  - refit", "  - block-distill: {tokens: 512, batch_tokens: 64, evaluate_every: 2}"),
        ),
    }
    recipes = {}
    for name, pairs in changes.items():
        recipe = make_recipe(tmp_path_factory.mktemp(name))
        text = recipe.read_text()
        for old, new in pairs:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        recipe.write_text(text)
        recipes[name] = recipe
    worked(run("-c", SEARCHES, *map(str, recipes.values()), folder=installed))
    return {name: recipe.parent / "runs" / "tiny" for name, recipe in recipes.items()}


def chosen(run_folder: Path) -> dict[str, str]:
    """Variants by sub-block, of the child that the search ended with."""
    found: dict[str, str] = json.loads((run_folder / "04-solve" / "solution.json").read_text())["solution"]["variants"]
    return found


def child_of(run_folder: Path) -> Path:
    """The last child of a run."""
    return max((path.parent for path in run_folder.glob("0*/**/config.json")), key=lambda path: path.parts)


def test_every_example_is_tried_here() -> None:
    assert tuple(sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))) == PLUGINS


def test_their_own_tests_pass(installed: Path) -> None:
    tests = [str(EXAMPLES / name / "tests") for name in PLUGINS]
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(installed)]
    worked(run(*arguments, *tests, folder=installed))


def test_they_keep_their_contracts(installed: Path) -> None:
    checked = worked(run("-c", CHECKS, *PLUGINS, folder=installed))
    for name, outcomes in json.loads(checked.splitlines()[-1]).items():
        assert len(outcomes) >= 5, name
        assert [outcome for outcome in outcomes if outcome["state"] != "kept"] == [], name


def test_windows_save_the_memory_that_the_budget_asks_for(searched: dict[str, Path]) -> None:
    assert "sliding_window=4" in chosen(searched["sliding-window"]).values()


def test_exports_that_cannot_keep_to_a_window_refuse(installed: Path, searched: dict[str, Path]) -> None:
    export = (
        "import sys; from blockwright.cli import main; sys.argv[1:] = ['export', sys.argv[1], '--to', 'vllm']; main()"
    )
    refused = run("-c", export, str(searched["sliding-window"]), folder=installed)
    assert refused.returncode != 0
    assert "window of 4 tokens" in re.sub(r"\s+", " ", refused.stdout + refused.stderr)


def test_the_solver_says_how_near_it_came(installed: Path, searched: dict[str, Path]) -> None:
    solution = json.loads((searched["lagrange"] / "04-solve" / "solution.json").read_text())["solution"]
    assert solution["bound"] <= solution["objective"] and solution["variants"]


def test_the_board_times_are_those_of_its_own_cost_model(installed: Path, searched: dict[str, Path]) -> None:
    costs = json.loads(worked(run("-c", COSTS, str(searched["edge-board"]), folder=installed)))
    assert costs["decode_ms"] > 4 * 0.025  # launches alone


def test_the_recurrent_child_loads_where_neither_package_is(installed: Path, searched: dict[str, Path]) -> None:
    """Its parallel form, its steps and padded batches agree; and block distillation has trained what is its own."""
    worked(run("-c", LOADED, str(child_of(searched["gated-linear"])), folder=installed))


def test_distillation_trains_gates(searched: dict[str, Path]) -> None:
    from safetensors.torch import load_file

    folder = child_of(searched["gated-linear"])
    assert "distill" in str(folder.relative_to(searched["gated-linear"]))
    weights = {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}
    gates = [tensor for name, tensor in weights.items() if name.endswith("gate_proj.weight") and "self_attn" in name]
    assert gates and any(bool(gate.any()) for gate in gates)


def test_a_child_of_a_package_that_is_not_there_names_its_kind(searched: dict[str, Path], tmp_path: Path) -> None:
    load = (
        "import sys, blockwright; from transformers import AutoModelForCausalLM; "
        "AutoModelForCausalLM.from_pretrained(sys.argv[1])"
    )
    failed = run("-c", load, str(child_of(searched["gated-linear"])), folder=tmp_path)
    assert failed.returncode != 0
    assert "no attention variant is called 'gated_linear' here" in failed.stderr
    assert "install the Blockwright plugin that brings it" in failed.stderr
