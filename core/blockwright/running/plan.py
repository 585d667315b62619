"""What a recipe will do, before it does it: the space, the budget, the steps, and what they will take."""

from __future__ import annotations

import math
from collections.abc import Mapping

from blockwright.recipes.checking import CheckedRecipe
from blockwright.recipes.feasibility import limits_within
from blockwright.running.directory import RunDirectory
from blockwright.running.estimates import Estimate, estimate
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
    rows = []
    for step, state in states.items():
        seconds = expected.seconds.get(step if step in expected.seconds else step.partition("-")[2])
        rows.append((step, state, "" if seconds is None else f"~{as_duration(seconds)}"))
    return Table("Steps", ("step", "state", "estimated time"), rows)


def _lines(checked: CheckedRecipe, states: Mapping[str, str], expected: Estimate) -> list[str]:
    total = sum(expected.seconds.values())
    stages = " and the stages, which are not estimated" if checked.made.stages else ""
    return [
        f"{_power(children_in(checked))} children; about {as_duration(total)}{stages}; "
        f"at most {as_bytes(sum(expected.disk_bytes.values()))} of disk in {checked.directory}, "
        f"at least {as_bytes(max(expected.memory_bytes.values()))} of memory",
        "The estimate counts matrix products at the speed that this machine has just shown.",
        *checked.prices.notes,
        *checked.notes,
        *(["All steps are done; nothing will run."] if "to do" not in states.values() else []),
    ]


def _power(number: int) -> str:
    return f"{number:,}" if number < 10**6 else f"about 10^{math.log10(number):.1f}"
