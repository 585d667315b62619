"""Transforms stand between build and stages, are done once, and leave their child and graph to what follows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import Run, run
from blockwright.comparing.outcomes import Comparison
from blockwright.errors import UserError
from blockwright.files import sha256_of
from blockwright.pictures.terminal import draw_strip
from blockwright.recipes.checking import check_recipe
from blockwright.terminal.summary import run_summary

DRIVER = Path(__file__).with_name("killed_run.py")
SPACE = """\
  variants:
    attention: [keep, {kv_heads: 1}, linear, skip]
    ffn: [keep, {narrow: 50%}, skip]
"""
FREE_OF_ATTENTION = "  attention: [keep, skip]\n  ffn: [keep]\n  except: [{layers: first, forbid: skip}]\n"
STAGES = "stages:\n  - refit\n"
FUSION = "transforms:\n  - ffn-fusion: {exclude_last: false}\nstages: []\n"


@pytest.fixture
def fusing(change: Callable[[str, str], Path]) -> Path:
    """The tiny recipe with a budget that leaves the first layer's attention only, and all FFNs fused."""
    change(SPACE, FREE_OF_ATTENTION)
    change("params: 90%", "params: 72%")
    return change(STAGES, FUSION)


def record(finished: Run) -> dict[str, object]:
    data: dict[str, object] = json.loads((finished.directory / "06-ffn-fusion" / "transform.json").read_text())
    return data


def test_a_fused_child_goes_on_to_the_evaluation(fusing: Path) -> None:
    finished = run(fusing)
    assert list(finished.steps)[-2:] == ["06-ffn-fusion", "07-evaluation"]
    found = record(finished)
    assert found["joined"] == [["ffn.0", "ffn.1", "ffn.2", "ffn.3"]]
    figures = found["figures"]
    assert isinstance(figures, dict)
    assert figures["after"] > figures["before"] > 0
    assert finished.child == finished.directory / "06-ffn-fusion" / "child"
    assert finished.graph["ffn.0"].members == ("ffn.0", "ffn.1", "ffn.2", "ffn.3")
    built, final = (finished.evaluation[name] for name in ("built", "final"))
    assert built != final
    config = json.loads((finished.child / "config.json").read_text())
    assert config["per_layer_config"]["3"]["skip"] == ["attention", "mlp"]


def test_show_and_the_report_tell_what_was_joined(fusing: Path) -> None:
    finished = run(fusing)
    shown = run_summary(finished)
    table = next(table for table in shown.tables if table.title == "Transforms")
    assert table.rows[0][:2] == ("06-ffn-fusion", "ffn.0 to 3")
    assert shown.strip is not None
    assert "FFNs of layers 0-3 run as one" in shown.strip.summary
    assert "fused     └──┘" in draw_strip(shown.strip).plain
    page = finished.report().read_text()
    assert "What was joined" in page
    assert "ffn.3 without ffn.0: " in page
    assert "FFNs of layers 0-3 run as one" in page


def test_a_stage_after_it_goes_on_with_the_fused_child(fusing: Path) -> None:
    finished = run(fusing, "stages=[refit]")
    assert list(finished.steps)[-3:] == ["06-ffn-fusion", "07-refit", "08-evaluation"]
    stage = json.loads((finished.directory / "07-refit" / "stage.json").read_text())
    figures = record(finished)["figures"]
    assert isinstance(figures, dict)
    assert stage["figures"]["before"] == pytest.approx(figures["after"], rel=1e-4)


def test_killed_in_the_transform_it_ends_in_the_same_bytes(fusing: Path) -> None:
    command = [sys.executable, str(DRIVER), str(fusing), "06-ffn-fusion", "5"]  # dependencies are known, losses not
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    first = run(fusing)
    second = run(fusing, f"runs={fusing.parent / 'others'}")
    name = "model.safetensors"
    assert sha256_of(first.child / name) == sha256_of(second.child / name)
    assert record(first) == record(second)


def test_changed_options_do_the_transform_again_and_nothing_before_it(fusing: Path) -> None:
    directory = run(fusing).directory
    run(fusing, "transforms=[{ffn-fusion: {max_width: 1}}]")
    events = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    start = max(index for index, event in enumerate(events) if event["event"] == "run_started")
    ran = [event["step"] for event in events[start:] if event["event"] == "step_started"]
    assert ran == ["06-ffn-fusion", "07-evaluation"]
    again = json.loads((directory / "06-ffn-fusion" / "transform.json").read_text())
    assert (again["child"], again["joined"]) == ("05-build/child", [])


def test_predicted_latencies_are_told_where_a_machine_is_known(fusing: Path) -> None:
    figures = record(run(fusing, "hardware=h100-sxm"))["figures"]
    assert isinstance(figures, dict)
    assert figures["decode_ms after"] < figures["decode_ms before"]
    assert figures["prefill_ms after"] < figures["prefill_ms before"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("[ffn-fussion]", "no transform is called 'ffn-fussion', did you mean 'ffn-fusion'"),
        ("[{ffn-fusion: {max_widht: 3}}]", "no such key, did you mean 'max_width'"),
        ("[3]", "a transform is written as its name, or as its name with options"),
    ],
)
def test_mistakes_in_the_section_are_one_line(recipe: Path, section: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        run(recipe, f"transforms={section}")


def test_stages_that_walk_layer_by_layer_refuse_layers_side_by_side_in_one_line(recipe: Path) -> None:
    with pytest.raises(UserError, match=r"layers .* of this child run side by side") as caught:
        run(recipe, "transforms=[{block-parallel: {size: 2}}]", "budget.params=95%")
    assert len(caught.value.lines) == 1


def test_layers_side_by_side_go_on_to_the_evaluation(recipe: Path) -> None:
    finished = run(recipe, "transforms=[{block-parallel: {size: 2}}]", "stages=[]", "budget.params=95%")
    config = json.loads((finished.child / "config.json").read_text())
    assert len(config["parallel_windows"]) == 1
    assert list(finished.steps)[-1] == "07-evaluation"
    assert "run side by side" in finished.report().read_text()


def test_a_search_that_joins_has_its_joins_made(change: Callable[[str, str], Path]) -> None:
    """Two attentions less are 20 parameters over the limit, which a join of two FFNs saves with a norm."""
    change(SPACE, FREE_OF_ATTENTION)
    change("params: 90%", "params: 81.16%")
    change("  rounds: 1\n", "  rounds: 0\n  children: 1\n  fusion: joint\n")
    finished = run(change(STAGES, "transforms:\n  - ffn-fusion: {joins: search, exclude_last: false}\nstages: []\n"))
    assert len(finished.solution.joined) == 1
    assert record(finished)["joined"] == [list(finished.solution.joined[0])]
    assert finished.solution.costs["params"] == finished.graph.params
    again = finished.solve({})
    assert (again.variants, again.joined) == (finished.solution.variants, finished.solution.joined)
    assert not finished.solve({"params": "90%"}).joined
    with pytest.raises(UserError, match=r"search\.fusion: comparisons join no FFNs; add search\.fusion=off"):
        Comparison(check_recipe(finished.directory / "recipe.yaml"))


def test_joins_that_nobody_makes_are_a_mistake(change: Callable[[str, str], Path]) -> None:
    path = change("  rounds: 1\n", "  rounds: 1\n  fusion: post\n")
    with pytest.raises(UserError, match="'post' chooses joins that a transform must make"):
        run(path)
