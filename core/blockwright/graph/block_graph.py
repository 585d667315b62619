"""The block graph: a frozen DAG of embedding, norms, sub-blocks and head, joined by the residual stream.

An edge out of a norm carries the normed stream; every other edge carries the residual stream x. A sub-block reads
norm(x) and hands on x + f(norm(x)). Several sub-blocks whose norms read the same x are parallel branches, and what they
all lead to reads x + Σ f_j(norm_j(x)): parallel branches sum. A branch may be several sub-blocks in a row, as a layer's
attention and FFN are; then it adds what the row adds. Every transform returns a new graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import networkx as nx

from blockwright.precision import BYTES, Precision
from blockwright.variants import SubBlockShape, VariantSpec

NodeKind = Literal["embedding", "norm", "attention", "ffn", "head"]
SUB_BLOCK_KINDS: tuple[NodeKind, ...] = ("attention", "ffn")
_LINES_TOLD = 20
Edge = tuple[str, str]  # names of the node that it leaves and of the one that reads it


class GraphError(ValueError):
    """What is wrong with a graph, a line each, with the names of the nodes and edges."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        more = len(self.lines) - _LINES_TOLD
        super().__init__("\n".join([*self.lines[:_LINES_TOLD], *([f"and {more} more"] if more > 0 else [])]))


@dataclass(frozen=True)
class Node:
    """A part of the model: `attention.3` with its own weights, or a norm, counted apart from its sub-block.

    `layer` is None outside the layers. Widths are those of one token's vectors; the vocabulary's before the embedding
    and after the head. A tied head has no weights of its own. `members` names the FFNs that were fused into this one.
    """

    name: str
    kind: NodeKind
    input_width: int
    output_width: int
    params: int = 0
    kv_values_per_token: int = 0
    layer: int | None = None
    variant: VariantSpec | None = None
    shape: SubBlockShape | None = None  # of the parent's sub-block that the variant replaces
    members: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The variant's label, or the kind of a part that has no variants."""
        if self.members and self.shape:
            return f"fused={self.shape.ffn_width}"
        return self.variant.label if self.variant else self.kind


@dataclass(frozen=True)
class BlockGraph:
    """Nodes in the order that data takes, and edges; checked when it is made, equal by value, hashable."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    network: nx.DiGraph = field(init=False, repr=False, compare=False)
    """The same as a frozen networkx graph: `node` at each node, `width` at each edge."""

    def __post_init__(self) -> None:
        from blockwright.graph.rules import broken_rules

        wrong = broken_rules(self.nodes, self.edges)
        if wrong:
            raise GraphError(wrong)
        order = {name: place for place, name in enumerate(_data_order(_network(self.nodes, self.edges)))}
        nodes = tuple(sorted(self.nodes, key=lambda node: order[node.name]))
        edges = tuple(sorted(self.edges, key=lambda edge: (order[edge[0]], order[edge[1]])))
        for name, value in {"nodes": nodes, "edges": edges, "network": nx.freeze(_network(nodes, edges))}.items():
            object.__setattr__(self, name, value)

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    def __getitem__(self, name: str) -> Node:
        """KeyError for a name that no node has."""
        return self.by_name[name]

    @property
    def sub_blocks(self) -> tuple[Node, ...]:
        """Attentions and FFNs in the order that data takes."""
        return tuple(node for node in self.nodes if node.kind in SUB_BLOCK_KINDS)

    @property
    def params(self) -> int:
        """Weights of the whole model; tied ones once."""
        return sum(node.params for node in self.nodes)

    def kv_bytes_per_token(self, precision: Precision) -> int:
        """What one token leaves in the cache of all layers together."""
        return sum(node.kv_values_per_token for node in self.nodes) * BYTES[precision]

    def before(self, name: str) -> tuple[Node, ...]:
        """The nodes that a node reads, in the order that data takes."""
        return tuple(self[source] for source in self.network.predecessors(name))

    def after(self, name: str) -> tuple[Node, ...]:
        """The nodes that read a node, in the order that data takes."""
        return tuple(self[target] for target in self.network.successors(name))

    def critical_path(self, cost: Callable[[Node], float]) -> tuple[tuple[Node, ...], float]:
        """The path from embedding to head of the largest summed cost: of parallel branches only the dearest counts."""
        ends: dict[str, tuple[float, tuple[Node, ...]]] = {}
        for node in self.nodes:
            best = max((ends[one.name] for one in self.before(node.name)), key=lambda end: end[0], default=(0.0, ()))
            ends[node.name] = best[0] + _finite(cost(node), node), (*best[1], node)
        total, path = ends[self.nodes[-1].name]  # the head is last: everything leads to it
        return path, total

    def replace_node(self, name: str, node: Node) -> BlockGraph:
        """A new graph with `node` in the place of the one called `name`, at the same edges; its name may differ."""
        if name not in self.by_name:
            raise GraphError([f"there is no node {name} to replace"])
        nodes = tuple(node if one.name == name else one for one in self.nodes)
        renamed = {name: node.name}
        return replace(
            self,
            nodes=nodes,
            edges=tuple((renamed.get(source, source), renamed.get(target, target)) for source, target in self.edges),
        )


def _network(nodes: Iterable[Node], edges: Iterable[Edge]) -> nx.DiGraph:
    network = nx.DiGraph()
    for node in nodes:
        network.add_node(node.name, node=node)
    for source, target in edges:
        network.add_edge(source, target, width=network.nodes[source]["node"].output_width)
    return network


def _data_order(network: nx.DiGraph) -> list[str]:
    """Topological, by layer and slot where the graph leaves it open, so that equal graphs have equal orders."""

    def place(name: str) -> tuple[float, bool, str]:
        node: Node = network.nodes[name]["node"]
        return (math.inf if node.layer is None else node.layer), node.kind == "ffn", name

    return list(nx.lexicographical_topological_sort(network, key=place))


def _finite(cost: float, node: Node) -> float:
    if not math.isfinite(cost):
        raise ValueError(f"{node.name}: its cost is {cost}; the longest path needs finite costs")
    return cost
