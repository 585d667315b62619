"""What editors make of recipes: those that ship keep to the schema, and misspelt ones are told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from jsonschema.exceptions import best_match
from typer.testing import CliRunner

from blockwright.cli import app
from blockwright.plugins import Plugins
from blockwright.recipes.schema import DIALECT, recipe_schema

ROOT = Path(__file__).parents[3]
RECIPES = sorted(file for folder in ("examples", "recipes", "benchmarks") for file in (ROOT / folder).glob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return recipe_schema(Plugins.load())


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def recipe(**changed: Any) -> dict[str, Any]:
    whole = {
        "name": "mine",
        "parent": {"model": "owner/model"},
        "text": {"calibration": ["pydoc:modules"], "evaluation": ["pydoc:topics"]},
        "budget": {"params": "80%"},
    }
    return {**whole, **changed}


def told(validator: jsonschema.Draft202012Validator, data: object) -> str:
    """The nearest thing that is wrong, nothing for a recipe without mistakes."""
    error = best_match(validator.iter_errors(data))
    return "" if error is None else error.message


def every_key(data: object) -> list[list[str | int]]:
    """Where there are mappings with keys, from the outside in."""
    if isinstance(data, list):
        return [[index, *path] for index, one in enumerate(data) for path in every_key(one)]
    if not isinstance(data, dict):
        return []
    below = [[key, *path] for key, value in data.items() for path in every_key(value)]
    return [*[[key] for key in data], *below]


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_recipes_that_ship_keep_to_the_schema(file: Path, validator: jsonschema.Draft202012Validator) -> None:
    assert told(validator, yaml.safe_load(file.read_text())) == ""


FREE = ("scenarios", "config", "env", "inputs")  # whose keys are the author's own words


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_misspelt_key_is_told(file: Path, validator: jsonschema.Draft202012Validator) -> None:
    data = yaml.safe_load(file.read_text())
    for *above, key in every_key(data):
        if any(word in FREE for word in above):
            continue
        changed = copy.deepcopy(data)
        place = changed
        for part in above:
            place = place[part]
        place[f"{key}x"] = place.pop(key)
        assert told(validator, changed), f"{file}: {above} {key}"


@pytest.mark.parametrize(
    ("section", "value", "word"),
    [
        ("solver", {"name": "higs"}, "higs"),
        ("solver", {"name": "highs", "secnds": 5}, "secnds"),
        ("scorer", {"name": "fisher", "samples": "many"}, "many"),
        ("stages", [{"refit": {"tokns": 1}}], "tokns"),
        ("stages", ["refitt"], "refitt"),
        ("exports", [{"gguf": {"precision": "q9"}}], "q9"),
        ("search", {"starts": ["uniform", "gredy"]}, "gredy"),
        ("space", {"ffn": [{"narow": "50%"}]}, "narow"),
        ("space", {"attention": ["narrow"]}, "narrow"),
        ("space", {"ffn": ["skip"], "except": [{"layers": "firstt", "forbid": ["skip"]}]}, "firstt"),
        ("scenario", {"batch": 0}, "0"),
        ("library", {"distill": {"token": 1}}, "token"),
        ("iterations", 0, "0"),
        ("iterations", {"count": 2, "heal": ["refitt"]}, "refitt"),
        ("iterations", {"count": 2, "budget": []}, "budget"),
    ],
)  # fmt: skip
def test_mistakes_in_plugin_sections_are_told(
    section: str, value: object, word: str, validator: jsonschema.Draft202012Validator
) -> None:
    assert word in told(validator, recipe(**{section: value}))


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("seed", "${oc.env:SEED}"),
        ("scenario", {"batch": "${search.batches.0}", "weights": "${oc.env:WEIGHTS}"}),
        ("library", {"ridge": "1e-3"}),
        ("search", {"fusion": False}),
        ("evaluation", {"modes": [True, "off"]}),
        ("stages", ["refit", {"refit": None}]),
        ("space", "my/space.yaml"),
        ("space", {"ffn": [{"narrow": 512}, {"narrow": {"width": "25%"}}, "linear"]}),
        ("hardware", "../this-machine.yaml"),
        ("cost_model", None),
        ("iterations", 3),
        ("iterations", {"budgets": [{"params": "90%"}], "heal": ["refit", {"distill": {"batch_size": 2}}]}),
    ],
)
def test_every_way_of_writing_a_value_is_taken(
    section: str, value: object, validator: jsonschema.Draft202012Validator
) -> None:
    assert told(validator, recipe(**{section: value})) == ""


def test_rewards_are_completed_by_name_and_functions_are_left_alone(
    validator: jsonschema.Draft202012Validator,
) -> None:
    def stage(*rewards: object) -> dict[str, Any]:
        return recipe(stages=[{"grpo": {"rewards": list(rewards), "instructions": {"count": 8}}}])

    assert told(validator, stage("exact", {"format": {"weight": 0.5}}, {"mine.rewards:brief": {"weight": 1}})) == ""
    assert "exat" in told(validator, stage("exat"))
    assert told(validator, stage({"format": {"wieght": 0.5}}))


def test_names_of_spaces_profiles_and_plugins_are_offered(schema: dict[str, Any]) -> None:
    properties = schema["properties"]
    assert "puzzle" in json.dumps(properties["space"])
    assert "h100-sxm" in json.dumps(properties["hardware"])
    assert {"highs", "optuna"} <= set(properties["solver"]["properties"]["name"]["anyOf"][0]["enum"])


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(app, ["schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout)["$schema"] == DIALECT
