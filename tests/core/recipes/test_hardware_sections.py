"""What is wrong with a recipe's machine, cost model or scenarios is one line with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.errors import UserError
from blockwright.recipes.checking import CheckedRecipe, check_recipe
from blockwright_plugins.costs.roofline import Roofline
from blockwright_plugins.costs.tables import TableCosts
from blockwright_plugins.costs.weights import WeightCosts

Change = Callable[[str, str], Path]
MACHINE = """\
name: small
memory_gib: 0.01
bandwidth_gb_s: 1
peak_tflops: {bf16: 0.01}
overhead_gib: 0
"""


@pytest.fixture(autouse=True)
def machines(recipe: Path) -> None:
    """Beside the recipe: one without links, one with a mistake in it, one with next to no memory."""
    (recipe.parent / "small.yaml").write_text(MACHINE)
    (recipe.parent / "wrong.yaml").write_text(MACHINE.replace("bandwidth", "bandwith"))
    (recipe.parent / "tiny.yaml").write_text(MACHINE.replace("0.01\nband", "0.000004\nband"))


def told(recipe: Path) -> list[str]:
    """The lines of the mistakes, without the recipe's folder."""
    with pytest.raises(UserError) as caught:
        check_recipe(recipe)
    return [line.replace(f"{recipe.parent}/", "") for line in caught.value.lines]


HARDWARE = {
    "a misspelt profile": ("hardware: h10-sxm", ["22: hardware: no hardware profile is called 'h10-sxm', did"]),
    "a profile that is a list": ("hardware: [h100-sxm]", ["22: hardware: expected text, got ['h100-sxm']"]),
    "a profile with mistakes": (
        "hardware: wrong.yaml",
        [
            "22: hardware: wrong.yaml:1: bandwidth_gb_s: is missing",
            "22: hardware: wrong.yaml:3: bandwith_gb_s: no such key, did you mean 'bandwidth_gb_s'?",
        ],
    ),
    "fp8 on an A100": (
        "hardware: a100-sxm\nscenario:\n  weights: fp8",
        ["23: scenario: a100-sxm does not multiply in fp8; it has bf16"],
    ),
    "fp8 on an A100 in a named scenario": (
        "hardware: a100-sxm\nscenarios:\n  code: {batch: 2}\n  chat: {weights: fp8}",
        ["25: scenarios.chat: a100-sxm does not multiply in fp8; it has bf16"],
    ),
    "heads that do not divide": (
        "hardware: h100-sxm\nscenario:\n  batch: 2\n  tensor_parallel: 8",
        ["23: scenario: 4 attention heads cannot be split over 8 GPUs; tensor_parallel can be 1, 2, 4"],
    ),
    "heads that do not divide in a named scenario": (
        "hardware: h100-sxm\nscenarios:\n  chat:\n    tensor_parallel: 3",
        ["24: scenarios.chat: 4 attention heads cannot be split over 3 GPUs; tensor_parallel can be 1, 2, 4"],
    ),
    "a machine without a link": (
        "hardware: small.yaml\nscenario: {tensor_parallel: 2}",
        ["23: scenario: small has no link between GPUs (link_gb_s); use tensor_parallel: 1"],
    ),
    "an unknown key of a named scenario": (
        "scenarios:\n  chat:\n    bach: 3",
        ["24: scenarios.chat.bach: no such key, did you mean 'batch'?"],
    ),
    "a scenario of nothing": ("scenario: {batch: 0}", ["22: scenario.batch: must be more than 0, got 0"]),
    "a scenario of the recipe's own name": (
        "scenarios: {scenario: {batch: 3}}",
        ["22: scenarios: 'scenario' is the recipe's own; call this one otherwise"],
    ),
    "a misspelt cost model": (
        "hardware: h100-sxm\ncost_model: {name: tabels}",
        ["23: cost_model.name: no cost model is called 'tabels', did you mean 'tables'?"],
    ),
    "a cost model that is a word": (
        "cost_model: weights",
        ["22: cost_model: expected keys and values, got 'weights'"],
    ),
    "a cost model without a name": ("cost_model: {fast: 1}", ["22: cost_model.name: is missing"]),
    "an option that a cost model does not have": (
        "hardware: small.yaml\ncost_model:\n  name: roofline\n  fast: 1",
        ["25: cost_model.fast: no such key"],
    ),
    "a cost model of times without a machine": (
        "cost_model: {name: roofline}",
        ["22: cost_model.name: the cost model 'roofline' needs a machine; add `hardware: h100-sxm`, or another"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HARDWARE)
def test_a_mistake_is_one_line_with_file_and_line(change: Change, case: str) -> None:
    written, expected = HARDWARE[case]
    lines = told(change("runs: ", f"{written}\nruns: "))
    assert len(lines) == len(expected), lines
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(f"recipe.yaml:{wanted}")


BUDGETS = {
    "times without a machine": (
        "  decode_ms: 50%\n  tokens_per_s: 2x",
        [
            "17: budget.decode_ms: times need a machine and a cost model that knows it; add",
            "18: budget.tokens_per_s: times need a machine and a cost model that knows it; add",
        ],
    ),
    "a scenario that is not there": (
        "  scenarios:\n    chat: {memory: 50%}",
        ["18: budget.scenarios.chat.memory: no scenario is called 'chat'; there is none in `scenarios`"],
    ),
    "a misspelt scenario": (
        "  scenarios:\n    chta: {memory: 50%}\nscenarios: {chat: {batch: 2}}",
        ["18: budget.scenarios.chta.memory: no scenario is called 'chta', did you mean 'chat'?"],
    ),
    "a misspelt limit of a scenario": (
        "  scenarios:\n    chat:\n      memry: 50%\nscenarios: {chat: {batch: 2}}",
        ["19: budget.scenarios.chat.memry: no such key, did you mean 'memory'?"],
    ),
    "parameters of a scenario": (
        "  scenarios:\n    chat:\n      params: 50%\nscenarios: {chat: {batch: 2}}",
        ["19: budget.scenarios.chat.params: no such key; there is decode_ms, memory,"],
    ),
    "no limit of a scenario": (
        "  scenarios:\n    chat:\n      decode_ms: fast\nscenarios: {chat: {batch: 2}}",
        ["19: budget.scenarios.chat.decode_ms: 'fast' is no limit; write 12.5"],
    ),
    "a time that no child keeps": (
        "  decode_ms: 1e-9\nhardware: small.yaml",
        ["17: budget.decode_ms: no child of this space has less than"],
    ),
    "a rate that no child makes": (
        "  params: 90%\n  scenarios:\n    chat:\n      tokens_per_s: 1000x\nscenarios: {chat: {batch: 2}}\n"
        "hardware: small.yaml",
        ["20: budget.scenarios.chat.tokens_per_s: no child of this space makes more than"],
    ),
    "a child too large for the machine": (
        "  params: 90%\nhardware: tiny.yaml",
        ["16: budget: no child of this space has less than 4.0"],
    ),
}


@pytest.mark.parametrize("case", BUDGETS)
def test_a_mistake_in_limits_is_one_line_with_file_and_line(change: Change, case: str) -> None:
    written, expected = BUDGETS[case]
    lines = told(change("  params: 90%", written))
    assert len(lines) == len(expected), lines
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(f"recipe.yaml:{wanted}")


def test_a_child_too_large_for_the_machine_is_told_with_what_the_machine_has(change: Change) -> None:
    [line] = told(change("  params: 90%", "  memory: 90%\nhardware: tiny.yaml"))
    assert line.startswith("recipe.yaml:17: budget.memory: no child of this space has less than")
    assert line.endswith("the machine has 3.775 KiB")


def test_the_machines_memory_limits_children_that_no_budget_limits(change: Change) -> None:
    checked = check_recipe(change("  params: 90%", "  params: 90%\nhardware: small.yaml"))
    assert dict(checked.prices.machine_limits) == {"memory": pytest.approx(0.009 * 2**30)}


CHOSEN = {
    "nothing": ("", WeightCosts),
    "measured tables": ("hardware: h100-sxm", TableCosts),
    "a file beside the recipe": ("hardware: small.yaml", Roofline),
    "another by name": ("hardware: h100-sxm\ncost_model: {name: roofline}", Roofline),
    "counts by name": ("hardware: h100-sxm\ncost_model: {name: weights}", WeightCosts),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_the_cost_model_follows_from_the_machine_unless_it_is_named(change: Change, case: str) -> None:
    written, model = CHOSEN[case]
    checked: CheckedRecipe = check_recipe(change("runs: ", f"{written}\nruns: "))
    assert type(checked.made.cost_model) is model
    assert ("decode_ms" in checked.prices.parent) == (model is not WeightCosts)


def test_every_scenario_is_priced_under_its_own_name(change: Change) -> None:
    written = "hardware: small.yaml\nscenario: {batch: 4}\nscenarios: {chat: {batch: 16}}"
    prices = check_recipe(change("runs: ", f"{written}\nruns: ")).prices
    assert {"params", "memory", "decode_ms", "chat.memory", "chat.decode_ms", "chat.ms_per_token"} <= set(prices.parent)
    assert "chat.params" not in prices.parent
    assert prices.parent["chat.decode_ms"] > prices.parent["decode_ms"]
    assert prices.parent["chat.ms_per_token"] < prices.parent["ms_per_token"]
