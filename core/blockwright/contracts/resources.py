"""What every folder of resources must hold. A rule takes a `Resources` and reads its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from blockwright.contracts.holding import must
from blockwright.precision import Precision
from blockwright.resources import Resources, named_files
from blockwright.variants import SLOTS, SubBlockShape

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def resources_hold_files(resources: Resources) -> None:
    """At least one `NAME.yaml`, whose name can stand in a recipe."""
    names = list(named_files([resources.folder]))
    must(bool(names), str(resources.folder), "holds no .yaml file")
    wrong = [name for name in names if not NAME.fullmatch(name)]
    must(not wrong, str(resources.folder), f"has files whose names cannot stand in a recipe: {', '.join(wrong)}")


def resources_are_read_without_mistakes(resources: Resources) -> None:
    """Every space and every profile, as a recipe would read it; each has its file's name where it has one."""
    from blockwright.errors import UserError
    from blockwright.hardware.profile import HardwareProfile
    from blockwright.spaces.reading import parse_space

    for file in _files(resources):
        if resources.kind == "searchspaces":
            space, mistakes = parse_space(_yaml(file))
            must(not mistakes, str(file), "; ".join(f"{one.dotted}: {one.message}" for one in mistakes))
            must(space.name in ("", file.stem), str(file), f"calls itself '{space.name}'")
            continue
        try:
            profile = HardwareProfile.read(file)
        except UserError as error:
            raise AssertionError(str(error)) from None
        must(profile.name == file.stem, str(file), f"calls itself '{profile.name}'")


def resources_say_what_they_are(resources: Resources) -> None:
    """A `description`, which `blockwright hardware list` and readers of a space see."""
    for file in _files(resources):
        data = _yaml(file)
        described = isinstance(data, dict) and bool(str(data.get("description") or "").strip())
        must(described, str(file), "has no description; say in a line what it is")


def spaces_fit_a_common_model(resources: Resources) -> None:
    """32 layers of 32 query and 8 KV heads with an FFN of 14,336 channels: every variant resolves."""
    from blockwright.plugins import installed_plugins
    from blockwright.spaces.reading import parse_space
    from blockwright.spaces.space import Facts, resolve

    if resources.kind != "searchspaces":
        return
    shapes = {slot: SubBlockShape(slot, 4096, 32, 8, 128, 14336) for slot in SLOTS}
    for file in _files(resources):
        space, _ = parse_space(_yaml(file))
        _, mistakes = resolve(space, Facts(shapes, 32, installed_plugins().variants))
        must(not mistakes, str(file), "; ".join(f"{one.dotted}: {one.message}" for one in mistakes))


def profiles_price_a_layer(resources: Resources) -> None:
    """Weights and caches have room, and the best installed cost model finds a time for a sub-block."""
    from blockwright.costs import CostModel, Scenario
    from blockwright.costs.parts import PlacedVariant
    from blockwright.hardware.profile import HardwareProfile
    from blockwright.plugins import installed_plugins
    from blockwright.variants import VariantSpec

    if resources.kind != "hardware":
        return
    shape = SubBlockShape("ffn", 1024, 8, 8, 128, 4096)
    for file in _files(resources):
        profile = HardwareProfile.read(file)
        must(profile.usable_bytes > 0, str(file), "leaves no memory for weights: overhead_gib is all of it")
        precision: Precision = "bf16" if {"bf16", "fp16"} & set(profile.peak_tflops) else "fp32"
        scenario = Scenario(weights=precision, kv=precision)
        placed = PlacedVariant.of(VariantSpec("ffn", "keep"), shape, installed_plugins().variants)
        cost = CostModel(profile).block(placed, scenario)
        must((cost.decode_ms or 0) > 0, str(file), "has no time for an FFN")


def _files(resources: Resources) -> Iterator[Path]:
    return iter(named_files([resources.folder]).values())


def _yaml(file: Path) -> object:
    from blockwright.recipes.locations import load_yaml, read_text

    return load_yaml(read_text(file), file)


RESOURCES_CONTRACT: tuple[Callable[[Resources], None], ...] = (
    resources_hold_files,
    resources_are_read_without_mistakes,
    resources_say_what_they_are,
    spaces_fit_a_common_model,
    profiles_price_a_layer,
)
"""All rules, to parametrize over."""
