"""Engines measured part by part: for a child, or for all that a recipe may search, checked on whole models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.benching.choosing import loads_of, parts_of_child, runnable
from blockwright.benching.models import random_model
from blockwright.benching.parts import measure_parts_in
from blockwright.benching.profiles import open_profile, with_times
from blockwright.benching.rounds import Workbench, median_pace
from blockwright.child.config_reading import child_config_of
from blockwright.costs.parts import PlacedVariant
from blockwright.engines import Load
from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.exporting.architecture import parent_of
from blockwright.graph.building import Outline, graph_of
from blockwright.hardware.profile import HardwareProfile
from blockwright.measuring.parts import model_config
from blockwright.measuring.recording import Recorded, parts_of
from blockwright.measuring.whole_models import Assignment, Checked, Target, layers_of, mixed_children
from blockwright.parent import Parent
from blockwright.plugins import installed_plugins
from blockwright.variants import SLOTS

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


def save_parts(bench: Workbench, file: Path, child: Path, load: Load, target: Target | None) -> HardwareProfile:
    """Times the parts of a child and its parent under a load, or a target's whole space in its own scenarios too.

    Those that the engine cannot run are left out. UserError for a target of another parent.
    """
    config = child_config_of(child)
    parts, loads = parts_of_child(config), [load]
    if target is not None:
        _check_target(target, config)
        parts = list(dict.fromkeys([*parts, *runnable(parts_of(target), bench.engine, config)]))
        loads = list(dict.fromkeys([load, *loads_of(target.scenarios, bench.engine)]))
    return record_parts(bench, file, parent_of(config), parts, loads)


def record_parts(
    bench: Workbench, file: Path, config: BlockwrightConfig, parts: Sequence[PlacedVariant], loads: Sequence[Load]
) -> HardwareProfile:
    """Times parts of the parent of that config, and writes the profile or adds them to one that is there."""
    before = open_profile(file, bench.engine)
    found = measure_parts_in(bench, config, parts, loads)
    emit("parts_measured", parts=len(found.timings))
    profile = with_times(before, file.stem, bench.engine, config, found, loads[0])
    profile.save(file)
    return profile


def record_in_engine(bench: Workbench, file: Path, target: Target) -> Recorded:
    """The whole space of a target in its scenarios, then its parent and three mixed children against their prices."""
    bench.engine.version()  # says at once that it is not here
    loads = loads_of(target.scenarios, bench.engine)
    parts = runnable(parts_of(target), bench.engine, target.parent.config)
    profile = record_parts(bench, file, target.parent.config, parts, loads)
    return Recorded(file, profile, check_in_engine(bench, profile, target, parts, loads[0]))


def check_in_engine(
    bench: Workbench, profile: HardwareProfile, target: Target, parts: Sequence[PlacedVariant], load: Load
) -> tuple[Checked, ...]:
    """The parent and three mixed children of what the engine runs: summed parts against whole models."""
    specs = {part.spec for part in parts}
    space = {
        one: tuple(spec for spec in of if spec in specs or spec.kind == "skip") for one, of in target.space.items()
    }
    children: dict[str, Assignment] = {"parent": {}, **mixed_children(space)}
    outline, variants = Outline.of(target.parent), installed_plugins().variants
    graphs = {name: graph_of(outline, child, variants) for name, child in children.items()}
    models = {
        name: random_model(
            bench.engine,
            model_config(target.parent.config, layers_of(graph, target.parent.layers)),
            bench.folder / f"checked-{number}",
        )
        for number, (name, graph) in enumerate(graphs.items())
    }
    paces = {name: median_pace(found) for name, found in bench.timed(models, load).items()}
    costs = installed_plugins().cost_model("measured")(profile)
    checks = []
    for batch in load.batches:
        scenario = load.scenario(batch, bench.engine.precision)
        for name, graph in graphs.items():
            cost = costs.model(graph, scenario)
            if batch == load.batches[0]:
                checks.append(Checked(name, "prefill", costs.name, cost.prefill_ms, paces[name].prefill_ms))
            checks.append(Checked(name, "decode", costs.name, cost.decode_ms, paces[name].decode_ms[batch], batch))
    return tuple(checks)


def _check_target(target: Target, config: BlockwrightConfig) -> None:
    ours = Parent(Path(), parent_of(config), config.model_type)
    if any(target.parent.shape(slot) != ours.shape(slot) for slot in SLOTS):
        raise UserError("--recipe: its parent has other layers than this child's; name the recipe that made the child")
