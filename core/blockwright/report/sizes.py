"""Where parameters and memory are, in the parent and in the child: embedding, attention, FFN, head, KV cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from blockwright.report.records import BlockPrice, ChildConfig, Costs
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
    parts: tuple[Part, ...]
    limit: float | None

    @property
    def total(self) -> Part:
        parent, child = sum(part.parent for part in self.parts), sum(part.child for part in self.parts)
        return Part("whole model", "total", parent, child)


def breakdowns(costs: Costs, chosen: Mapping[str, str], config: ChildConfig | None) -> tuple[Breakdown, ...]:
    """Parameters, and memory in the scenario: the weights part by part and the full KV cache.

    Without the child's config the embedding, the final norm and the head are one part.
    """
    tokens = costs.scenario.kv_tokens
    params = _weights(costs, chosen, config, lambda price: price.parameters)
    weights = _weights(costs, chosen, config, lambda price: price.weight_bytes)
    caches = [_part(costs, chosen, slot, lambda price: price.kv_bytes_per_token * tokens) for slot in SLOTS]
    cache = Part("KV cache", "cache", sum(part.parent for part in caches), sum(part.child for part in caches))
    return (
        Breakdown("params", tuple(params), costs.limits.get("params")),
        Breakdown("memory", (*weights, cache), costs.limits.get("memory")),
    )


def _weights(costs: Costs, chosen: Mapping[str, str], config: ChildConfig | None, size: Size) -> Iterator[Part]:
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


def _part(costs: Costs, chosen: Mapping[str, str], slot: Slot, size: Size) -> Part:
    """All sub-blocks of a slot, their norms included."""
    blocks = {name: prices for name, prices in costs.blocks.items() if SubBlock.parse(name).slot == slot}
    parent = sum(size(prices["keep"]) for prices in blocks.values())
    child = sum(size(prices[chosen[name]]) for name, prices in blocks.items())
    return Part("FFN" if slot == "ffn" else slot, slot, parent, child)
