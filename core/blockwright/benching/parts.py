"""Times of a model's parts in an engine: whole models that differ in one variant, and what their differences say.

Of models that are n layers deep, where every layer but the first takes the variant in question:

    pair = (T(n layers kept) − T(h layers kept)) / (n − h)       an attention and an FFN together
    rest = T(n layers kept) − n · pair                           embedding, positions, head, what the engine adds
    attention = (T(n kept) − T(attention skipped but in the first layer)) / (n − 1)

A variant takes what it is more or less than the kept one. The first layer keeps its attention, as engines want it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockwright.benching.models import random_model
from blockwright.benching.rounds import Workbench, median_pace
from blockwright.costs.parts import PlacedVariant
from blockwright.costs.scenario import Work
from blockwright.engines import Engine, Load, Pace
from blockwright.hardware.timings import Timed, Timings
from blockwright.measuring.parts import model_config, timed_part, timed_rest
from blockwright.variants import SLOTS, Slot, VariantSpec

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

MOST_LAYERS = 32  # of a model that times a variant
Layers = Sequence[Sequence[PlacedVariant]]
KEPT, HALF, BARE = "kept", "half as deep", "without attention"


@dataclass(frozen=True)
class Probes:
    """The models to time, by name; `kept` is one layer of the parent."""

    kept: Mapping[Slot, PlacedVariant]
    models: Mapping[str, Layers]
    depth: int

    @property
    def half(self) -> int:
        return len(self.models[HALF])


@dataclass(frozen=True)
class PartTimes:
    """What was measured, and the whole model of kept layers that it comes from."""

    timings: Timings
    layers: int
    pace: Pace


def probes_of(parts: Sequence[PlacedVariant], layers: int) -> Probes:
    """Of every variant that is neither kept nor skipped, and the three that all are compared with.

    `parts` hold the kept attention and FFN; `layers` is the parent's depth.
    """
    kept = {part.spec.slot: part for part in parts if part.spec.kind == "keep"}
    depth = max(4, min(layers, MOST_LAYERS))
    plain = [kept[slot] for slot in SLOTS]
    models: dict[str, Layers] = {
        KEPT: [plain] * depth,
        HALF: [plain] * (depth // 2),
        BARE: [plain] + [[kept["ffn"]]] * (depth - 1),
    }
    for part in parts:
        if part.spec.kind not in ("keep", "skip"):
            models[_name(part.spec)] = [plain] + [_with(part, kept)] * (depth - 1)
    return Probes(kept, models, depth)


def measure_parts_in(
    bench: Workbench, config: BlockwrightConfig, parts: Sequence[PlacedVariant], loads: Sequence[Load]
) -> PartTimes:
    """Milliseconds of every part under each load; `config` is the parent's.

    The whole model that comes along is that of the first load.
    """
    engine, probes = bench.engine, probes_of(parts, config.num_hidden_layers)
    models = {
        name: random_model(engine, model_config(config, layers), bench.folder / f"probe-{number}")
        for number, (name, layers) in enumerate(probes.models.items())
    }
    timings: dict[Timed, float] = {}
    wholes = []
    for load in loads:
        paces = {name: median_pace(found) for name, found in bench.timed(models, load).items()}
        wholes.append(paces[KEPT])
        for work, batch in works_of(load, engine).items():
            times = part_times(probes, {name: ms_in(pace, batch) for name, pace in paces.items()})
            timings[timed_rest(config.vocab_size, config.hidden_size, work)] = times[None]
            timings |= {timed_part(part, work): times[part.spec] for part in parts if part.spec in times}
    return PartTimes(timings, probes.depth, wholes[0])


def works_of(load: Load, engine: Engine) -> Mapping[Work, int | None]:
    """The steps of a load as cost models know them, with the batch of decoding ones."""
    scenarios = {batch: load.scenario(batch, engine.precision) for batch in load.batches}
    prompt = next(iter(scenarios.values())).prefill
    return {prompt: None, **{scenario.decode: batch for batch, scenario in scenarios.items()}}


def ms_in(pace: Pace, batch: int | None) -> float:
    """Of the prompt for None."""
    return pace.prefill_ms if batch is None else pace.decode_ms[batch]


def part_times(probes: Probes, times: Mapping[str, float]) -> dict[VariantSpec | None, float]:
    """Milliseconds by variant, None for the rest, from those of whole models; nothing is below 0."""
    kept, depth = times[KEPT], probes.depth
    pair = (kept - times[HALF]) / (depth - probes.half)
    attention = (kept - times[BARE]) / (depth - 1)
    whole: dict[Slot, float] = {"attention": attention, "ffn": pair - attention}
    found: dict[VariantSpec | None, float] = {None: kept - depth * pair}
    found |= {part.spec: whole[slot] for slot, part in probes.kept.items()}
    for layers in probes.models.values():
        for part in layers[-1]:
            if part.spec not in found:
                found[part.spec] = whole[part.spec.slot] + (times[_name(part.spec)] - kept) / (depth - 1)
    return {spec: max(0.0, ms) for spec, ms in found.items()}


def _with(part: PlacedVariant, kept: Mapping[Slot, PlacedVariant]) -> list[PlacedVariant]:
    return [part if part.spec.slot == slot else kept[slot] for slot in SLOTS]


def _name(spec: VariantSpec) -> str:
    return f"{spec.slot} {spec.label}"
