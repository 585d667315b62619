"""What every cost model must do. A rule takes a cost model and prices a tiny parent's parts with it.

A UserError, of a machine that has no such times, breaks no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from blockwright.contracts.holding import must
from blockwright.costs.cost_model import CostModel
from blockwright.costs.parts import Head, PlacedVariant
from blockwright.costs.scenario import Scenario
from blockwright.precision import BYTES
from blockwright.variants import SLOTS, SubBlockShape, VariantSpec

if TYPE_CHECKING:
    from blockwright.graph.building import Outline
    from blockwright.hardware.profile import HardwareProfile

LAYERS, VOCABULARY = 4, 4096
SHAPES = {slot: SubBlockShape(slot, 512, 8, 4, 64, 1536) for slot in SLOTS}
SCENARIOS: Sequence[Scenario] = (
    Scenario(batch=1, input_tokens=256, output_tokens=64),
    Scenario(batch=16, input_tokens=256, output_tokens=64),
)


def small_machine() -> HardwareProfile:
    """A made-up accelerator, on which the parts of the tiny model have been timed too."""
    from blockwright.hardware.profile import HardwareProfile
    from blockwright.measuring.parts import timed_part, timed_rest

    works = [work for scenario in SCENARIOS for work in (scenario.prefill, scenario.decode)]
    parts = {timed_part(part, work): 1e-6 * part.parameters + 1e-3 for part in _placed() for work in works}
    rest = {timed_rest(VOCABULARY, SHAPES["ffn"].hidden_size, work): 0.05 for work in works}
    return HardwareProfile(
        name="small-machine",
        memory_gib=16,
        bandwidth_gb_s=400,
        peak_tflops={"fp32": 20, "bf16": 80},
        link_gb_s=50,
        timings={**parts, **rest},
    )


def cost_model_counts_weights_and_caches(model: CostModel) -> None:
    """Parameters, weight bytes and KV bytes a token are those that the variant has, whatever the machine."""
    scenario = SCENARIOS[0]
    for placed in _placed():
        cost = model.block(placed, scenario)
        counted = (cost.parameters, cost.weight_bytes, cost.kv_bytes_per_token)
        parameters = placed.parameters
        real = (parameters, parameters * BYTES[scenario.weights], placed.kv_values_per_token * BYTES[scenario.kv])
        must(counted == real, model.name, f"counted {counted} of {placed.spec.label}, which has {real}")


def cost_model_answers_in_milliseconds(model: CostModel) -> None:
    """Finite and not negative; latency is a part of the time; either both steps have a time or neither."""
    for placed, scenario in _each():
        cost = model.block(placed, scenario)
        what = f"{placed.spec.label} at batch {scenario.batch}"
        both = (cost.prefill_ms is None) == (cost.decode_ms is None)
        must(both, model.name, f"knows one time of {what} and not the other")
        for ms, waits in ((cost.prefill_ms, cost.prefill_waits_ms), (cost.decode_ms, cost.decode_waits_ms)):
            if ms is not None:
                must(math.isfinite(ms) and ms >= 0, model.name, f"gave {what} a time of {ms!r} ms")
                must(0 <= waits <= ms * (1 + 1e-9), model.name, f"gave {what} {waits!r} ms of latency in {ms!r} ms")


def cost_model_gives_what_is_not_there_for_nothing(model: CostModel) -> None:
    """`skip` takes no bytes and no time."""
    for slot in SLOTS:
        cost = model.block(_place(VariantSpec(slot, "skip")), SCENARIOS[0])
        takes = (cost.parameters, cost.weight_bytes, cost.kv_bytes_per_token, cost.prefill_ms or 0, cost.decode_ms or 0)
        must(not any(takes), model.name, f"gave a skipped {slot} a price: {takes}")


def cost_model_answers_alike_when_asked_again(model: CostModel) -> None:
    """The same instance, and another one of the same machine and options."""
    other = type(model)(model.hardware, model.options)
    for placed, scenario in _each():
        first, again, elsewhere = (one.block(placed, scenario) for one in (model, model, other))
        must(first == again == elsewhere, model.name, f"gave {placed.spec.label} another price when asked again")


def cost_model_knows_times_where_it_has_a_machine(model: CostModel) -> None:
    """A model that was given hardware prices times, of the head too; one without knows counts at least."""
    if model.hardware is None:
        return
    scenario = SCENARIOS[0]
    cost = model.block(_place(VariantSpec("ffn", "keep")), scenario)
    head = model.time(Head(VOCABULARY, SHAPES["ffn"].hidden_size, tied=False), scenario.decode)
    if cost.decode_ms is not None:
        must(head is not None, model.name, "knows the time of an FFN and not that of the head")


def cost_model_prices_a_whole_model(model: CostModel) -> None:
    """The parts of a graph, whose parameters add up, in no less time than any of them takes."""
    from blockwright.contracts.small_world import installed_variants
    from blockwright.graph.building import graph_of

    graph = graph_of(_outline(), {}, installed_variants())
    fixed = model.fixed(graph, SCENARIOS[0])
    outside = sum(node.params for node in graph.nodes if node.layer is None)
    must(fixed.parameters == outside, model.name, f"counted {fixed.parameters} outside of the layers, of {outside}")
    if model.hardware is None or model.block(_place(VariantSpec("ffn", "keep")), SCENARIOS[0]).decode_ms is None:
        return
    whole = model.model(graph, SCENARIOS[0])
    must(whole.parameters == graph.params, model.name, f"counted {whole.parameters} parameters of {graph.params}")
    longest = max(part.decode_ms or 0 for part in whole.parts.values())
    must(whole.decode_ms >= longest > 0, model.name, f"priced a model at {whole.decode_ms!r} ms, a part {longest!r} ms")
    must(whole.tokens_per_s > 0, model.name, f"told {whole.tokens_per_s!r} tokens per second")


def cost_model_says_how_it_suits(model: CostModel) -> None:
    """A whole number, 0 for a machine that it is not chosen for by itself, and the same when asked again."""
    for hardware in (None, small_machine()):
        suits = type(model).suits(hardware)
        sound = isinstance(suits, int) and suits >= 0 and type(model).suits(hardware) == suits
        must(sound, model.name, f"suits a machine {suits!r}; expected 0 or a whole number above it")


def _outline() -> Outline:
    from blockwright.graph.building import Outline

    return Outline(SHAPES, LAYERS, VOCABULARY, tied=False)


def _specs() -> Iterator[VariantSpec]:
    yield VariantSpec("attention", "keep")
    yield VariantSpec("attention", "kv_heads", (("heads", 1),))
    yield VariantSpec("ffn", "keep")
    yield VariantSpec("ffn", "narrow", (("width", 512),))
    for slot in SLOTS:
        yield VariantSpec(slot, "linear")


def _place(spec: VariantSpec) -> PlacedVariant:
    from blockwright.contracts.small_world import installed_variants

    return PlacedVariant.of(spec, SHAPES[spec.slot], installed_variants())


def _placed() -> list[PlacedVariant]:
    return [_place(spec) for spec in _specs()]


def _each() -> Iterator[tuple[PlacedVariant, Scenario]]:
    return ((placed, scenario) for placed in _placed() for scenario in SCENARIOS)


COST_MODEL_CONTRACT: tuple[Callable[[CostModel], None], ...] = (
    cost_model_counts_weights_and_caches,
    cost_model_answers_in_milliseconds,
    cost_model_gives_what_is_not_there_for_nothing,
    cost_model_answers_alike_when_asked_again,
    cost_model_knows_times_where_it_has_a_machine,
    cost_model_prices_a_whole_model,
    cost_model_says_how_it_suits,
)
"""All rules, to parametrize over."""
