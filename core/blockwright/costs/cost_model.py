"""The contract for cost models, and what all share: from operations to sub-blocks, from those to whole models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from blockwright.costs.cost import BlockCost, ModelCost, Source, mostly, served
from blockwright.costs.memory import largest_batch
from blockwright.costs.parts import Embedding, Head, Norm, Part, PlacedVariant
from blockwright.costs.scenario import Scenario, Work
from blockwright.errors import UserError
from blockwright.hardware.operations import Operation
from blockwright.precision import ACTIVATIONS, BYTES

if TYPE_CHECKING:
    from blockwright.graph.block_graph import BlockGraph, Node
    from blockwright.hardware.profile import HardwareProfile


class CostOptions(BaseModel):
    """Base of a cost model's section in the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TableExceeded(UserWarning):
    """An operation lies outside of what was measured; its price is that of the calibrated formula."""


@dataclass(frozen=True)
class Time:
    """How long something takes: `waits_ms` of `ms` is latency that parallel branches share."""

    ms: float
    waits_ms: float
    source: Source = "analytic"


class CostModel:
    """Prices operations on a machine; one instance a recipe.

    A cost model of your own defines `name` and `operation`, or `time` where it knows whole sub-blocks better than their
    operations. `CostModel(hardware)` itself gives the installed one that suits the hardware best.
    """

    name: ClassVar[str]
    Options: ClassVar[type[CostOptions]] = CostOptions
    contract_options: ClassVar[Sequence[Mapping[str, object]]] = ({},)
    """Options that `blockwright plugins check` tries."""
    must_define: ClassVar[tuple[tuple[str, ...], ...]] = (("operation", "time"),)  # one of each

    def __new__(cls, hardware: HardwareProfile | str | None = None, options: CostOptions | None = None) -> CostModel:
        """Like `pathlib.Path`, the base class makes what fits: measured tables where the profile has them."""
        if cls is not CostModel:
            return super().__new__(cls)
        from blockwright.costs.choosing import best_cost_model

        return super().__new__(best_cost_model(_loaded(hardware)))

    def __init__(self, hardware: HardwareProfile | str | None = None, options: CostOptions | None = None) -> None:
        """`hardware` is a profile or the name of one; UserError for a name that there is none of."""
        self.hardware = _loaded(hardware)
        if self.hardware is None and not self.suits(None):
            raise UserError(f"the cost model '{self.name}' needs a machine; add `hardware: h100-sxm`, or another")
        self.options = self.Options() if options is None else options
        self._times: dict[Operation, Time] = {}
        self.guesses: list[str] = []

    @classmethod
    def suits(cls, hardware: HardwareProfile | None) -> int:
        """How well it suits a machine, for `CostModel(hardware)`; 0 for what must be asked for by name."""
        return 0

    def operation(self, operation: Operation) -> Time:
        """How long one kernel takes; asked once of each."""
        raise NotImplementedError

    def time(self, part: Part, work: Work) -> Time | None:
        """How long a part takes in one step: the sum of its operations. None where no hardware is known."""
        times = [self._remembered(operation) for operation in part.operations(work)]
        return Time(
            sum(time.ms for time in times),
            sum(time.waits_ms for time in times),
            mostly((time.source, time.ms) for time in times),
        )

    def block(self, variant: PlacedVariant, scenario: Scenario) -> BlockCost:
        """One variant of one sub-block, the norm before it included."""
        if variant.parameters == 0:
            return self._cost(variant, 0, scenario)
        norm = Norm(variant.shape.hidden_size)
        alone = variant.parameters - norm.parameters
        return added([self._cost(norm, norm.parameters, scenario), self._cost(variant, alone, scenario)])

    def model(self, graph: BlockGraph, scenario: Scenario) -> ModelCost:
        """A whole model. Work adds up; of the latencies of parallel branches only the longest counts.

        UserError where it does not fit into the machine's memory at batch 1, with how much is missing.
        """
        parts = {node.name: self._node_cost(node, scenario) for node in graph.nodes}
        if self.hardware is None or any(cost.prefill_ms is None for cost in parts.values()):
            raise ValueError(f"the cost model '{self.name}' knows no times; name a hardware profile")
        total = added(parts.values())
        prefill_ms = _critical(graph, parts, lambda cost: (cost.prefill_ms or 0.0, cost.prefill_waits_ms))
        decode_ms = _critical(graph, parts, lambda cost: (cost.decode_ms or 0.0, cost.decode_waits_ms))
        overhead_ms = self.hardware.step_overhead_us / 1e3
        rates = served(prefill_ms + overhead_ms, decode_ms + overhead_ms, scenario)
        return ModelCost(
            parameters=total.parameters,
            weight_bytes=total.weight_bytes,
            kv_bytes_per_token=total.kv_bytes_per_token,
            memory_bytes=total.resources(scenario)["memory"],
            max_batch=largest_batch(self.hardware, total.weight_bytes, total.kv_bytes_per_token, scenario),
            prefill_ms=rates["prefill_ms"],
            decode_ms=rates["decode_ms"],
            tpot_ms=rates["tpot_ms"],
            tokens_per_s=1e3 / rates["ms_per_token"],
            source=total.source,
            parts=parts,
        )

    def fixed(self, graph: BlockGraph, scenario: Scenario) -> BlockCost:
        """What no variant changes: embedding, final norm, head, and what the engine adds to a step."""
        nodes = [node for node in graph.nodes if node.layer is None]
        cost = added([self._node_cost(node, scenario) for node in nodes])
        if self.hardware is None or cost.prefill_ms is None or cost.decode_ms is None:
            return cost
        overhead_ms = self.hardware.step_overhead_us / 1e3
        times = {"prefill_ms": cost.prefill_ms + overhead_ms, "decode_ms": cost.decode_ms + overhead_ms}
        return BlockCost(**{**vars(cost), **times})

    def exceeded(self, operation: Operation, sizes: Iterable[str]) -> None:
        """Warns, once of each, that sizes lie outside of what was measured."""
        for size in sizes:
            message = (
                f"{operation.kind} {operation.precision}: {size} lies outside of the table; taken from the formula"
            )
            if message not in self.guesses:
                self.guesses.append(message)
                warnings.warn(message, TableExceeded, stacklevel=2)

    def _remembered(self, operation: Operation) -> Time:
        if operation not in self._times:
            self._times[operation] = self.operation(operation)
        return self._times[operation]

    def _node_cost(self, node: Node, scenario: Scenario) -> BlockCost:
        return self._cost(part_of(node), node.params, scenario)

    def _cost(self, part: Part, parameters: int, scenario: Scenario) -> BlockCost:
        """Matrices are split among the GPUs, norms are not; KV heads that are fewer than the GPUs are there on each."""
        gpus = scenario.tensor_parallel
        outside = isinstance(part, Embedding | Head)
        precision = ACTIVATIONS[scenario.weights] if outside or isinstance(part, Norm) else scenario.weights
        copies = 1 if isinstance(part, Norm) else gpus
        kv_bytes = _cached_per_token(part, scenario) * BYTES[scenario.kv] * _kv_share(part, gpus)
        prefill, decode = self.time(part, scenario.prefill), self.time(part, scenario.decode)
        weight_bytes = parameters * BYTES[precision] / copies
        if prefill is None or decode is None:
            return BlockCost(parameters, weight_bytes, kv_bytes)
        source = mostly([(prefill.source, prefill.ms), (decode.source, decode.ms)])
        return BlockCost(
            parameters, weight_bytes, kv_bytes, prefill.ms, decode.ms, prefill.waits_ms, decode.waits_ms, source
        )


def _cached_per_token(part: Part, scenario: Scenario) -> float:
    """Values in the cache at the end of a sequence, by its tokens."""
    if not isinstance(part, PlacedVariant):
        return 0.0
    tokens = scenario.input_tokens + scenario.output_tokens
    return part.cached_values(tokens) / tokens


def part_of(node: Node) -> Part:
    """What a graph's node is to a cost model."""
    from blockwright.plugins import installed_plugins

    if node.kind == "embedding":
        return Embedding(node.input_width, node.output_width)
    if node.kind == "head":
        return Head(node.output_width, node.input_width, tied=node.params == 0)
    if node.kind == "norm":
        return Norm(node.input_width)
    if node.variant is None or node.shape is None:
        raise ValueError(f"{node.name}: a sub-block needs its variant and its parent's shape to be priced")
    return PlacedVariant.of(node.variant, node.shape, installed_plugins().variants)


def added(costs: Iterable[BlockCost]) -> BlockCost:
    """The sum of parts that follow each other."""
    every = list(costs)
    known = all(cost.prefill_ms is not None for cost in every)
    return BlockCost(
        parameters=sum(cost.parameters for cost in every),
        weight_bytes=sum(cost.weight_bytes for cost in every),
        kv_bytes_per_token=sum(cost.kv_bytes_per_token for cost in every),
        prefill_ms=sum(cost.prefill_ms or 0.0 for cost in every) if known else None,
        decode_ms=sum(cost.decode_ms or 0.0 for cost in every) if known else None,
        prefill_waits_ms=sum(cost.prefill_waits_ms for cost in every),
        decode_waits_ms=sum(cost.decode_waits_ms for cost in every),
        source=mostly((cost.source, cost.decode_ms or 0.0) for cost in every),
    )


def _critical(
    graph: BlockGraph, parts: Mapping[str, BlockCost], times: Callable[[BlockCost], tuple[float, float]]
) -> float:
    """Milliseconds of a step: the work of all parts, and the latencies along the critical path."""
    work = sum(ms - waits for ms, waits in map(times, parts.values()))
    return work + graph.critical_path(lambda node: times(parts[node.name])[1])[1]


def _kv_share(part: Part, gpus: int) -> float:
    """The share of a part's KV cache that each GPU holds."""
    if not isinstance(part, PlacedVariant) or gpus == 1:
        return 1.0
    kv_heads = max(1, part.kv_values_per_token // (2 * part.shape.head_dim))
    return -(-kv_heads // gpus) / kv_heads


def _loaded(hardware: HardwareProfile | str | None) -> HardwareProfile | None:
    from blockwright.hardware.profile import HardwareProfile

    return HardwareProfile.load(hardware) if isinstance(hardware, str) else hardware
