"""What a recipe will do, before it does it: the space, the budget, the steps, and what they will take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from blockwright.recipes.checking import CheckedRecipe
from blockwright.recipes.feasibility import limits_within
from blockwright.running.directory import RunDirectory
from blockwright.running.estimates import Estimate, estimate
from blockwright.running.files import BUILD
from blockwright.running.pipeline import plan_steps
from blockwright.searching.pricing import least_resources
from blockwright.terminal.resources import as_resource, told_as
from blockwright.terminal.tables import Summary, Table, as_bytes, as_duration


def make_plan(checked: CheckedRecipe) -> Summary:
    """The plan as `check` shows it; measures this machine's speed for a moment and writes nothing."""
    expected, states = estimate(checked, checked.prices), step_states(checked)
    data = {
        "recipe": checked.recipe.model_dump(mode="json"),
        "directory": str(checked.directory),
        "space": checked.space_labels,
        "children": str(children_in(checked)),
        "parent": dict(checked.prices.parent),
        "limits": dict(limits_within(checked.recipe.budget, checked.prices)),
        "least": least_resources(checked.prices),
        "steps": states,
        "seconds": dict(expected.seconds),
        "disk_bytes": dict(expected.disk_bytes),
        "memory_bytes": dict(expected.memory_bytes),
        "rates": asdict(expected.rates),
        "gpu_rates": asdict(expected.gpu) if expected.gpu else None,
        "gpu_seconds": dict(expected.gpu_seconds),
    }
    tables = (_space_table(checked), _budget_table(checked), _step_table(states, expected))
    return Summary(data, tables, _lines(checked, states, expected))


def children_in(checked: CheckedRecipe) -> int:
    """How many children the space holds: the product of the variants of all sub-blocks."""
    return math.prod(len(specs) for specs in checked.space.values())


def step_states(checked: CheckedRecipe) -> dict[str, str]:
    """`done` for steps that will be skipped, `to do` for the others."""
    run = RunDirectory(checked.directory)
    return {step.name: "done" if run.is_done(step.name, step.key) else "to do" for step in plan_steps(checked)}


def _space_table(checked: CheckedRecipe) -> Table:
    """Sub-blocks that may take the same variants share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for sub_block, labels in checked.space_labels.items():
        alike.setdefault((sub_block.split(".")[0], *labels), []).append(sub_block.split(".")[1])
    rows = [
        (f"{slot} {_ranges(layers)}", str(len(labels)), ", ".join(labels)) for (slot, *labels), layers in alike.items()
    ]
    return Table("Search space", ("sub-blocks", "variants", "which"), rows)


def _ranges(layers: list[str]) -> str:
    """`0-3, 7`."""
    runs: list[list[int]] = []
    for layer in sorted(map(int, layers)):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _budget_table(checked: CheckedRecipe) -> Table:
    parent, least = checked.prices.parent, least_resources(checked.prices)
    rows = [
        (told_as(name), as_resource(name, limit), as_resource(name, parent[name]), as_resource(name, least[name]))
        for name, limit in limits_within(checked.recipe.budget, checked.prices).items()
    ]
    return Table("Budget", ("resource", "limit", "parent", "least in this space"), rows)


def _step_table(states: Mapping[str, str], expected: Estimate) -> Table:
    """What is predicted of the full run, beside where this one stands; a dry run's later steps have no state."""
    evaluation = next((step for step in states if step.endswith("-evaluation")), "evaluation")
    estimates = (expected.seconds, expected.gpu_seconds, expected.memory_bytes, expected.disk_bytes)
    names = [*states, *(step for step in (BUILD, evaluation) if step not in states)]
    rows = []
    for step in names:
        seconds, gpu, memory, disk = (one.get("evaluation" if step == evaluation else step) for one in estimates)
        times = ["" if time is None else f"~{as_duration(time)}" for time in (seconds, gpu)]
        sizes = ["" if size is None else as_bytes(size) for size in (memory, disk)]
        rows.append([step, states.get(step, "left out"), *times, *sizes])
    columns = ["step", "state", "time here", "time on one GPU", "memory, at least", "disk, at most"]
    if expected.gpu is None:
        for row in (columns, *rows):
            del row[3]
    return Table("Steps of the full run", columns, rows)


def _lines(checked: CheckedRecipe, states: Mapping[str, str], expected: Estimate) -> list[str]:
    total = sum(expected.seconds.values())
    stages = " and the stages, which are not estimated" if checked.made.stages else ""
    return [
        f"{_power(children_in(checked))} children; about {as_duration(total)}{stages}; "
        f"at most {as_bytes(sum(expected.disk_bytes.values()))} of disk in {checked.directory}, "
        f"at least {as_bytes(max(expected.memory_bytes.values()))} of memory",
        *_hours(expected),
        "Counted are matrix products and solving for weights; reading text, disk and evaluation tasks are not.",
        expected.rates.origin,
        *([expected.gpu.origin] if expected.gpu else []),
        *checked.prices.notes,
        *checked.notes,
        *(["All steps are done; nothing will run."] if "to do" not in states.values() else []),
    ]


def _hours(expected: Estimate) -> list[str]:
    """GPU-hours in all, where the recipe names a machine."""
    if not expected.gpu_seconds:
        return []
    return [f"On the recipe's hardware about {sum(expected.gpu_seconds.values()) / 3600:.3g} GPU-hours"]


def _power(number: int) -> str:
    return f"{number:,}" if number < 10**6 else f"about 10^{math.log10(number):.1f}"
