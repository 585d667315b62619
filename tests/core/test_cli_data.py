"""`blockwright generate-data` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blockwright.cli import app


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["generate-data", *map(str, arguments)])


def test_a_recipe_samples_its_parent(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "data" / "out.jsonl"
    result = invoke(recipe, "--out", out, "--tokens", 50, "--batch", 2, "--length", 20, "--seed", 3)
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert (
        f"{len(records)} documents with {sum(one['generated']['tokens'] for one in records)} sampled" in result.output
    )
    assert {one["generated"]["seed"] for one in records} == {3}
    assert "batch_generated" in result.output


def test_a_folder_is_sampled_too(parent_folder: Path, tmp_path: Path) -> None:
    result = invoke(parent_folder, "--out", tmp_path / "out.jsonl", "--tokens", 20)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./nowhere", "no folder './nowhere'; name a folder, a hub id (owner/model) or package:NAME"),
        ("package:nothing-of-that-name", "package 'nothing-of-that-name' is not installed"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(model: str, message: str, tmp_path: Path) -> None:
    result = invoke(model, "--out", tmp_path / "out.jsonl", "--tokens", 20)
    assert (result.exit_code, result.output.strip().count("\n")) == (2, 0)
    assert message in result.output


def test_a_recipe_whose_parent_is_wrong_is_named_with_its_line(
    change: Callable[[str, str], Path], tmp_path: Path
) -> None:
    recipe = change("  model: ", "  modle: ")
    result = invoke(recipe, "--out", tmp_path / "out.jsonl", "--tokens", 20)
    assert result.exit_code == 2
    assert "recipe.yaml:3: parent.modle: no such key, did you mean 'model'?" in result.output


def test_a_source_of_prompts_that_is_none_is_one_line(parent_folder: Path, tmp_path: Path) -> None:
    result = invoke(parent_folder, "--out", tmp_path / "out.jsonl", "--tokens", 20, "--prompts", "pydocs:topics")
    assert result.exit_code == 2
    assert "'pydocs:topics' is no source of text" in result.output
