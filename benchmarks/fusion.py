"""Ultra-253B as it was published, with its FFNs fused and before, against its parent: what the cost model says.

How wide the fused FFNs' members were was not published, only how many they were; each is taken as wide as the others,
which changes no weights and hardly any time.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise

from common import print_table
from llamas import PARENTS, child_graph, parent_graph

from blockwright.costs import CostModel, ModelCost, Scenario
from blockwright.graph.block_graph import BlockGraph, Edge, Node

ULTRA = "nemotron-ultra-253b"
MEMBERS = {125: 8, 134: 12, 143: 15, 149: 14}  # layers 66-73, 74-85, 86-100 and 101-114 of the parent's 126


def main() -> None:
    warnings.simplefilter("ignore")
    header = ("batch", "input", "405B, ms", "unfused, ms", "fused, ms", "unfused ratio", "fused ratio", "fusion saves")
    rows = [_row(batch, tokens) for batch in (1, 32) for tokens in (1024, 4096)]
    print_table("Decode on h100-sxm, TP8, fp8 (published: 1.53 and 1.71 times)", header, rows)


def _row(batch: int, tokens: int) -> tuple[object, ...]:
    graphs = (parent_graph(PARENTS[ULTRA]), unfused(child_graph(ULTRA)), child_graph(ULTRA))
    parent, before, after = (_cost(graph, batch, tokens).decode_ms for graph in graphs)
    saved = f"{1 - after / before:.1%}"
    return batch, tokens, parent, before, after, parent / before, parent / after, saved


def _cost(graph: BlockGraph, batch: int, tokens: int) -> ModelCost:
    scenario = Scenario.model_validate(
        {"batch": batch, "input_tokens": tokens, "output_tokens": 1024, "tensor_parallel": 8, "weights": "fp8"}
    )
    return CostModel("h100-sxm").model(graph, scenario)


def unfused(graph: BlockGraph) -> BlockGraph:
    """The graph with each fused FFN as its members in a row, each behind a norm of its own."""
    for layer, count in MEMBERS.items():
        graph = _in_a_row(graph, graph[f"ffn.{layer}"], count)
    return graph


def _in_a_row(graph: BlockGraph, fused: Node, count: int) -> BlockGraph:
    (norm,) = graph.before(fused.name)
    row = [norm]
    for place in range(count):
        row += [replace(norm, name=f"{norm.name}.{place}")] * (place > 0) + [_member(fused, place, count)]
    ends: list[Edge] = [(row[-1].name, reader.name) for reader in graph.after(fused.name)]
    kept = [edge for edge in graph.edges if fused.name not in edge]
    nodes = (*(node for node in graph.nodes if node.name != fused.name), *row[1:])
    return BlockGraph(nodes, (*kept, *pairwise(node.name for node in row), *ends))


def _member(fused: Node, place: int, count: int) -> Node:
    assert fused.shape is not None
    shape = replace(fused.shape, ffn_width=fused.shape.ffn_width // count)
    return replace(fused, name=f"{fused.name}.{place}", params=fused.params // count, shape=shape)


if __name__ == "__main__":
    main()
