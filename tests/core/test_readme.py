"""The README's blocks run: Python as it stands, the recipe through `check`, the plugin on a problem."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blockwright.problem import Choice, Problem, SolverOptions

README = (Path(__file__).parents[2] / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_python_api_runs_as_it_stands(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recipe.parent)
    exec(_blocks("python")[0], {})
    printed = capsys.readouterr().out
    assert "'params': " in printed
    assert "kl_nats_per_token" in printed
    assert printed.strip().endswith("index.html")


def test_the_recipe_is_a_recipe(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    from blockwright.recipes.checking import check_recipe
    from blockwright.variants import SubBlock

    (tmp_path / "recipe.yaml").write_text(_blocks("yaml")[0])
    checked = check_recipe(tmp_path / "recipe.yaml")
    labels = {str(sub_block): [spec.label for spec in specs] for sub_block, specs in checked.space.items()}
    assert labels["attention.0"] == ["keep", "kv_heads=1", "linear"]
    assert labels["ffn.29"] == ["keep"]
    assert "narrow=768" in labels["ffn.5"]
    assert SubBlock(29, "ffn") in checked.space


def test_the_plugin_is_a_solver() -> None:
    names: dict[str, object] = {}
    exec(_blocks("python")[1], names)
    [steepest] = names["register_solvers"]()  # type: ignore[operator]
    choices = (
        Choice("keep", 0.0, {"params": 10}),
        Choice("half", 0.1, {"params": 5}),
        Choice("skip", 9.0, {"params": 0}),
    )
    solution = steepest(SolverOptions()).solve(
        Problem({"ffn.0": choices, "ffn.1": choices}, {"params": 16}, {"params": 1})
    )
    assert sorted(solution.variants.values()) == ["half", "keep"]
    assert solution.costs == {"params": 16}


def test_the_costs_come_out_as_it_says(
    parent_folder: Path, tmp_path: Path, run_with_measurements: Callable[[str, Path], dict[str, Any]]
) -> None:
    names = run_with_measurements(_blocks("python")[2], parent_folder)
    assert names["half"].source in ("measured", "interpolated", "analytic")
    assert names["whole"].max_batch > 64
    assert (tmp_path / "mine.yaml").is_file() and (tmp_path / "mine" / "gemm.parquet").is_file()


def test_every_file_that_the_readme_links_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target
