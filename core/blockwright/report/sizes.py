"""Where parameters and memory are, in the parent and in the child: embedding, attention, FFN, head, KV cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from blockwright.costs import Scenario
from blockwright.report.records import BlockPrice, ChildConfig, Costs, ScenarioCosts
from blockwright.searching.pricing import MAIN
from blockwright.variants import SLOTS, Slot, SubBlock

Size = Callable[[BlockPrice], float]


@dataclass(frozen=True)
class Part:
    """A part of both models; `kind` names its colour on the page."""

    name: str
    kind: str
    parent: float
    child: float

    @property
    def share(self) -> float | None:
        """What the child has of the parent's; None where the parent has nothing."""
        return self.child / self.parent if self.parent else None


@dataclass(frozen=True)
class Breakdown:
    """One resource in both models, part by part; `limit` is the budget's, where it sets one."""

    resource: str
    title: str
    note: str
    parts: tuple[Part, ...]
    limit: float | None

    @property
    def total(self) -> Part:
        parent, child = sum(part.parent for part in self.parts), sum(part.child for part in self.parts)
        return Part("whole model", "total", parent, child)


def breakdowns(costs: Costs, chosen: Mapping[str, str], config: ChildConfig | None) -> tuple[Breakdown, ...]:
    """Parameters, and in each scenario memory and, where hardware is known, the times of a prompt and of a step.

    Without the child's config the embedding, the final norm and the head are one part.
    """
    params = tuple(_weights(costs.main, chosen, config, lambda price: price.parameters))
    whole = Breakdown("params", "Parameters", "", params, costs.limits.get("params"))
    return (whole, *(one for name in costs.scenarios for one in _in_scenario(name, costs, chosen, config)))


def _in_scenario(name: str, costs: Costs, chosen: Mapping[str, str], config: ChildConfig | None) -> Iterator[Breakdown]:
    priced = costs.scenarios[name]
    tokens = priced.scenario.kv_tokens
    prefix, title = ("", "") if name == MAIN else (f"{name}.", f"{name}: ")
    weights = _weights(priced, chosen, config, lambda price: price.weight_bytes)
    caches = [_part(priced, chosen, slot, lambda price: price.kv_bytes_per_token * tokens) for slot in SLOTS]
    cache = Part("KV cache", "cache", sum(part.parent for part in caches), sum(part.child for part in caches))
    memory = f"{prefix}memory"
    limit = costs.limits.get(memory)
    yield Breakdown(memory, f"{title}Memory", in_words(priced.scenario), (*weights, cache), limit)
    if priced.fixed.decode_ms is not None:
        decode = f"{prefix}decode_ms"
        parts = tuple(_times(priced, chosen, lambda price: price.decode_ms or 0.0))
        yield Breakdown(decode, f"{title}Decoding", "One step of the whole batch.", parts, costs.limits.get(decode))
        prefill = f"{prefix}prefill_ms"
        parts = tuple(_times(priced, chosen, lambda price: price.prefill_ms or 0.0))
        yield Breakdown(prefill, f"{title}Prefill", "One prompt, alone.", parts, costs.limits.get(prefill))


def in_words(scenario: Scenario) -> str:
    """`Batch 1, 1024 tokens read and 256 written, weights in bf16, KV cache in bf16.`"""
    split = f" on each of {scenario.tensor_parallel} GPUs" if scenario.tensor_parallel > 1 else ""
    return (
        f"Batch {scenario.batch}, {scenario.input_tokens} tokens read and {scenario.output_tokens} written, "
        f"weights in {scenario.weights}, KV cache in {scenario.kv}{split}."
    )


def _times(costs: ScenarioCosts, chosen: Mapping[str, str], size: Size) -> Iterator[Part]:
    yield from _fixed(size(costs.fixed), None)
    yield from (_part(costs, chosen, slot, size) for slot in SLOTS)


def _weights(costs: ScenarioCosts, chosen: Mapping[str, str], config: ChildConfig | None, size: Size) -> Iterator[Part]:
    first, *rest = _fixed(size(costs.fixed), config)
    yield first
    yield from (_part(costs, chosen, slot, size) for slot in SLOTS)
    yield from rest


def _fixed(total: float, config: ChildConfig | None) -> Iterator[Part]:
    """What no variant changes, in the order that data takes; a tied head is the embedding."""
    if config is None:
        yield Part("embedding, head", "embedding", total, total)
        return
    matrix = config.vocab_size * config.hidden_size
    matrices = 1 if config.tie_word_embeddings else 2
    embedding = total * matrix / (matrices * matrix + config.hidden_size)
    head = total - embedding
    yield Part(
        "embedding, also the head" if config.tie_word_embeddings else "embedding", "embedding", embedding, embedding
    )
    yield Part("final norm" if config.tie_word_embeddings else "head, final norm", "head", head, head)


def _part(costs: ScenarioCosts, chosen: Mapping[str, str], slot: Slot, size: Size) -> Part:
    """All sub-blocks of a slot, their norms included."""
    blocks = {name: prices for name, prices in costs.blocks.items() if SubBlock.parse(name).slot == slot}
    parent = sum(size(prices["keep"]) for prices in blocks.values())
    child = sum(size(prices[chosen[name]]) for name, prices in blocks.items())
    return Part("FFN" if slot == "ffn" else slot, slot, parent, child)
