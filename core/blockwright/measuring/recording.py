"""`blockwright hardware measure`: a profile of this machine, a recipe's variants timed, whole models checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from blockwright.costs import TableExceeded
from blockwright.costs.parts import PlacedVariant
from blockwright.errors import UserError
from blockwright.events import emit
from blockwright.hardware.files import read_profile
from blockwright.hardware.profile import HardwareProfile
from blockwright.measuring.machine import check_device, measure_machine, precision_of
from blockwright.measuring.parts import measure_parts
from blockwright.measuring.timers import timer_of
from blockwright.measuring.whole_models import Checked, Target, check_whole_models
from blockwright.plugins import installed_plugins
from blockwright.variants import SLOTS, VariantSpec


@dataclass(frozen=True)
class Recorded:
    """The profile that was written, and whole models as cost models predicted them."""

    file: Path
    profile: HardwareProfile
    checks: tuple[Checked, ...]
    notes: tuple[str, ...] = ()
    """What a cost model had to guess."""


def record(out: Path, device: str, seconds: float, target: Target | None) -> Recorded:
    """Measures for about `seconds` and writes `out`; one that is there keeps its tables and gains the target's times.

    UserError for a device that is not there and for a scenario in a precision that is not measured.
    """
    check_device(device)
    if out.suffix != ".yaml":
        raise UserError(f"--out: a profile is a .yaml file; write --out {out.with_suffix('.yaml')}")
    timer = timer_of(device)
    profile = read_profile(out) if out.exists() else measure_machine(out.stem, timer, seconds)
    if target is None:
        profile.save(out)
        return Recorded(out, profile, ())
    _check_precision(target, device)
    works = [work for scenario in target.scenarios for work in (scenario.prefill, scenario.decode)]
    timings = measure_parts(target.parent.config, parts_of(target), works, timer, seconds)
    emit("parts_measured", parts=len(timings))
    profile = profile.model_copy(update={"timings": {**profile.timings, **timings}})
    profile.save(out)
    models = [installed_plugins().cost_model(name)(profile) for name in ("measured", "tables")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableExceeded)  # they become notes
        checks = check_whole_models(target, models, target.scenarios[0], timer, seconds)
    return Recorded(out, profile, checks, tuple(note for model in models for note in model.guesses))


def parts_of(target: Target) -> list[PlacedVariant]:
    """Every variant of a space on the parent's sub-blocks, the kept ones always."""
    known = installed_plugins().variants
    kept = [VariantSpec(slot, "keep") for slot in SLOTS]
    specs = dict.fromkeys([*kept, *(spec for specs in target.space.values() for spec in specs)])
    return [PlacedVariant.of(spec, target.parent.shape(spec.slot), known) for spec in specs]


def _check_precision(target: Target, device: str) -> None:
    """Models run here in one precision and on one device."""
    precision = precision_of(device)
    for scenario in target.scenarios:
        if (scenario.weights, scenario.kv, scenario.tensor_parallel) != (precision, precision, 1):
            raise UserError(
                f"scenario: models are measured in {precision} on one device here; "
                f"write scenario: {{weights: {precision}, kv: {precision}}} without tensor_parallel"
            )
