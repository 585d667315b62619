"""What fusion makes of a block graph: a run of FFNs as one node, windows of layers as parallel branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from blockwright.fusion.runs import Run
from blockwright.graph.block_graph import BlockGraph, GraphError, Node
from blockwright.variants import SubBlock, VariantSpec


def fuse_nodes(graph: BlockGraph, runs: Iterable[Run]) -> BlockGraph:
    """The graph with each run as one FFN in its first member's place; it names its members.

    GraphError for a run whose FFNs do not follow each other in the graph.
    """
    for run in runs:
        graph = _fused(graph, run)
    return graph


def in_parallel(graph: BlockGraph, windows: Iterable[range]) -> BlockGraph:
    """The graph with the layers of each window side by side: all read what the first one reads, and what they add sums.

    A layer's attention and FFN stay in a row. GraphError for a window of fewer than two layers that add something.
    """
    for window in windows:
        graph = _side_by_side(graph, window)
    return graph


def _fused(graph: BlockGraph, run: Run) -> BlockGraph:
    first, *others = members = [graph[str(SubBlock(layer, "ffn"))] for layer in run.layers]
    for other in others:
        graph = _without(graph, other, first)
    return graph.replace_node(first.name, _wide(members, run.width))


def _without(graph: BlockGraph, member: Node, first: Node) -> BlockGraph:
    """The graph without an FFN and its norm; what read it reads the run's first FFN."""
    (norm,) = graph.before(member.name)
    if graph.before(norm.name) != (first,):
        raise GraphError([f"{member.name} does not follow {first.name} and cannot be fused with it"])
    gone = {norm.name, member.name}
    nodes = tuple(node for node in graph.nodes if node.name not in gone)
    edges = [edge for edge in graph.edges if not gone & set(edge)]
    edges += [(first.name, reader.name) for reader in graph.after(member.name)]
    return replace(graph, nodes=nodes, edges=tuple(edges))


def _wide(members: Sequence[Node], width: int) -> Node:
    """One FFN of all channels; an output bias is there once."""
    shape = members[0].shape
    if shape is None:
        raise GraphError([f"{members[0].name}: its shape is not known, so that it cannot be fused"])
    shared = (len(members) - 1) * shape.hidden_size * shape.ffn_bias
    return replace(
        members[0],
        params=sum(member.params for member in members) - shared,
        variant=VariantSpec("ffn", "keep"),
        shape=replace(shape, ffn_width=width),
        members=tuple(name for member in members for name in member.members or (member.name,)),
    )


def _side_by_side(graph: BlockGraph, window: range) -> BlockGraph:
    layers = [[node.name for node in graph.nodes if node.layer == layer] for layer in window]
    branches = [branch for branch in layers if branch]
    if len(branches) < 2:
        raise GraphError([f"layers {window.start}-{window.stop - 1}: nothing can run side by side there"])
    sources = [node.name for node in graph.before(branches[0][0])]
    readers = [node.name for node in graph.after(branches[-1][-1])]
    inside = {edge for branch in branches for edge in pairwise(branch)}
    names = {name for branch in branches for name in branch}
    edges = [edge for edge in graph.edges if not names & set(edge) or edge in inside]
    edges += [(source, branch[0]) for source in sources for branch in branches]
    edges += [(branch[-1], reader) for branch in branches for reader in readers]
    return replace(graph, edges=tuple(edges))
