"""What makes nodes and edges a block graph; each rule says what breaks it by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from blockwright.graph.block_graph import Edge, Node

Before = Mapping[str, tuple[str, ...]]  # the nodes that each node reads


def broken_rules(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[str]:
    """A line for each breach, empty for a good graph; later rules are only asked once the earlier ones hold."""
    by_name = {node.name: node for node in nodes}
    network = nx.DiGraph(edges)
    network.add_nodes_from(by_name)
    before = {name: tuple(network.predecessors(name)) for name in by_name}
    return (
        [*_names(nodes, edges)]
        or [*_counts(nodes), *_sizes(nodes), *_edge_widths(by_name, edges), *_one_way(network)]
        or [*_neighbours(by_name, before), *_connected(by_name, network)]
        or [*_forks(by_name, network)]
    )


def _names(nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[str]:
    """Every name once, every edge once, and between nodes that are there."""
    for name, count in Counter(node.name for node in nodes).items():
        if count > 1:
            yield f"{count} nodes are called {name}"
    for edge, count in Counter(edges).items():
        if count > 1:
            yield f"the edge {_arrow(edge)} is there {count} times"
    names = {node.name for node in nodes}
    for edge in edges:
        for name in edge:
            if name not in names:
                yield f"the edge {_arrow(edge)} names a node that is not there: {name}"


def _counts(nodes: Sequence[Node]) -> Iterator[str]:
    for kind in ("embedding", "head"):
        found = [node.name for node in nodes if node.kind == kind]
        if len(found) != 1:
            yield f"a graph has exactly one {kind}, this one has {', '.join(found) or 'none'}"


def _sizes(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        for what in ("params", "kv_values_per_token"):
            if getattr(node, what) < 0:
                yield f"{node.name}: {what} is {getattr(node, what)}, less than none"
        for what in ("input_width", "output_width"):
            if getattr(node, what) < 1:
                yield f"{node.name}: {what} is {getattr(node, what)}; at least 1"
        if node.kind in ("norm", "attention", "ffn") and node.input_width != node.output_width:
            yield f"{node.name}: reads {node.input_width} and hands on {node.output_width}; the stream keeps its width"


def _edge_widths(by_name: Mapping[str, Node], edges: Sequence[Edge]) -> Iterator[str]:
    for edge in edges:
        left, right = by_name[edge[0]].output_width, by_name[edge[1]].input_width
        if left != right:
            yield f"the edge {_arrow(edge)} joins widths that differ: {left} and {right}"


def _one_way(network: nx.DiGraph) -> Iterator[str]:
    if not nx.is_directed_acyclic_graph(network):
        circle = [edge[0] for edge in nx.find_cycle(network)]
        yield f"the graph runs in a circle: {' → '.join([*circle, circle[0]])}"


def _neighbours(by_name: Mapping[str, Node], before: Before) -> Iterator[str]:
    """Sub-blocks and head read one norm; norms read the residual stream; nothing comes before the embedding."""
    for name, node in by_name.items():
        kinds = [by_name[source].kind for source in before[name]]
        if node.kind == "embedding" and kinds:
            yield f"{name} reads {', '.join(before[name])}; an embedding reads only tokens"
        if node.kind in ("attention", "ffn", "head") and kinds != ["norm"]:
            yield f"{name} reads {', '.join(before[name]) or 'nothing'}; it must read exactly one norm"
        if node.kind == "norm" and {"norm", "head"} & set(kinds):
            yield f"{name} reads {', '.join(before[name])}; a norm reads the embedding or sub-blocks"


def _connected(by_name: Mapping[str, Node], network: nx.DiGraph) -> Iterator[str]:
    by_kind = {node.kind: name for name, node in by_name.items()}
    reached = {by_kind["embedding"], *nx.descendants(network, by_kind["embedding"])}
    leading = {by_kind["head"], *nx.ancestors(network, by_kind["head"])}
    for name in by_name:
        if name not in reached:
            yield f"{name} is not reached from {by_kind['embedding']}"
        if name not in leading:
            yield f"{name} does not lead to {by_kind['head']}"


def _forks(by_name: Mapping[str, Node], network: nx.DiGraph) -> Iterator[str]:
    """The branches of a join left the same stream, or x + Σ f_j would have no one x."""
    for name, node in by_name.items():
        if node.kind != "norm" or network.in_degree(name) < 2:
            continue
        forks = {branch: _fork(branch, by_name, network) for branch in network.predecessors(name)}
        if len(set(forks.values())) > 1:
            told = ", ".join(f"{branch} leaves {' + '.join(sorted(fork)) or 'none'}" for branch, fork in forks.items())
            yield f"{name} joins branches that leave different forks: {told}"


def _fork(end: str, by_name: Mapping[str, Node], network: nx.DiGraph) -> frozenset[str]:
    """What the norm of a branch's first sub-block reads, from its last one backwards; branches of one join agree in it.

    A sub-block that only the branch itself reads is part of the branch.
    """
    norms = list(network.predecessors(end))
    sources = [source for norm in norms for source in network.predecessors(norm)]
    alone = len(sources) == 1 and network.out_degree(sources[0]) == 1 and network.out_degree(norms[0]) == 1
    if alone and by_name[sources[0]].kind in ("attention", "ffn"):
        return _fork(sources[0], by_name, network)
    return frozenset(sources)


def _arrow(edge: Edge) -> str:
    return f"{edge[0]} → {edge[1]}"
