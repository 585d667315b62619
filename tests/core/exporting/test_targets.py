"""A recipe that asks for an export searches only what its engine can run, and ends with a folder that is ready."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from blockwright.api import open_run, run
from blockwright.errors import UserError
from blockwright.exporting.requests import find_child
from blockwright.recipes.checking import check_recipe
from blockwright.report import write_report
from blockwright.running.pipeline import run_checked
from blockwright.running.plan import make_plan

Change = Callable[[str, str], Path]


@pytest.fixture
def exporting(change: Change) -> Callable[[str], Path]:
    return lambda exports: change("runs: ", f"exports: {exports}\nruns: ")


def test_vllm_leaves_linear_maps_and_a_first_layer_without_attention_out(exporting: Callable[[str], Path]) -> None:
    checked = check_recipe(exporting("[vllm]"))
    assert checked.space_labels["attention.0"] == ["keep", "kv_heads=1"]
    assert checked.space_labels["attention.1"] == ["keep", "kv_heads=1", "skip"]
    assert checked.space_labels["ffn.0"] == ["keep", "narrow=24", "skip"]
    assert list(checked.notes) == [
        "For vllm the search leaves out attention linear in 4 layers: vLLM knows no 'linear' attention",
        "For vllm the search leaves out attention skip in layer 0: vLLM needs an attention in the first layer",
    ]


def test_the_plan_says_what_was_left_out(exporting: Callable[[str], Path]) -> None:
    assert any("leaves out attention linear" in line for line in make_plan(check_recipe(exporting("[vllm]"))).lines)


def test_precision_decides_on_widths(exporting: Callable[[str], Path]) -> None:
    with pytest.raises(UserError) as refused:
        check_recipe(exporting("[{gguf: {precision: q8_0}}]"))
    assert "exports.0.gguf: layer 0, 1, 2, 3: q8_0 stores rows in blocks of 32, and an FFN has 48 channels" in str(
        refused.value
    ), "the parent's own FFN does not fit, so that nothing does"
    checked = check_recipe(exporting_again(refused, "[{vllm: {width_multiple: 16}}]"))
    assert checked.space_labels["ffn.0"] == ["keep", "skip"]


def exporting_again(refused: pytest.ExceptionInfo[UserError], exports: str) -> Path:
    """The same recipe with other exports."""
    file = Path(str(refused.value).partition(":")[0])
    lines = [f"exports: {exports}" if line.startswith("exports:") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_unknown_targets_and_options_are_told_with_their_line(exporting: Callable[[str], Path]) -> None:
    with pytest.raises(
        UserError, match=r"recipe.yaml:\d+: exports.0.vlm: no exporter is called 'vlm', did you mean 'vllm'"
    ):
        check_recipe(exporting("[vlm]"))


def test_a_run_ends_with_folders_that_are_ready_to_serve(exporting: Callable[[str], Path]) -> None:
    recipe = exporting("[vllm, {gguf: {precision: f32, tokenizer: none}}]")
    finished = run(recipe)
    folders = list(finished.exports)
    assert [folder.parent.name for folder in folders] == ["08-export-vllm", "09-export-gguf"]
    assert finished.exports[folders[0]] == f"vllm serve {folders[0]}"
    assert (folders[1] / "model-f32.gguf").is_file()
    own, written = load_file(finished.child / "model.safetensors"), load_file(folders[0] / "model.safetensors")
    assert own.keys() == written.keys()
    card = (folders[0] / "README.md").read_text()
    assert "# tiny" in card and "| params |" in card and "| 90% |" in card and "kl nats per token" in card
    assert "- Healed by: refit" in card and "- Learnt from: learn.txt" in card
    assert f"vllm serve {folders[0]}" in write_report(finished.directory).read_text()
    assert finished.steps.keys() >= {"07-evaluation", "08-export-vllm", "09-export-gguf"}

    (finished.directory / "04-solve" / "solution.json").write_text("{}")
    child, origin = find_child(str(finished.directory))
    assert child == finished.child and origin.stages == ("refit",) and origin.costs == (), "as of another version's run"


def test_an_export_that_is_asked_for_later_runs_alone(recipe: Path) -> None:
    run_checked(check_recipe(recipe))
    directory = recipe.parent / "runs" / "tiny"
    before = (directory / "07-evaluation" / "done.json").stat().st_mtime_ns
    recipe.write_text(recipe.read_text() + "exports: [hf]\n")
    run_checked(check_recipe(recipe))
    assert (directory / "07-evaluation" / "done.json").stat().st_mtime_ns == before
    assert json.loads((directory / "08-export-hf" / "export.json").read_text())["exporter"] == "hf"
    assert open_run(directory).exports
