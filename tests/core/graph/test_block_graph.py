"""The block graph is a checked, frozen value: parallel branches sum, and every transform makes a new one."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import networkx as nx
import pytest

from blockwright.graph.block_graph import BlockGraph, Edge, GraphError, Node
from blockwright.variants import VariantSpec

WIDTH = 8


def norm(name: str, width: int = WIDTH) -> Node:
    return Node(name, "norm", width, width, params=width)


def ffn(name: str, params: int = 100, layer: int = 0) -> Node:
    return Node(name, "ffn", WIDTH, WIDTH, params, layer=layer, variant=VariantSpec("ffn", "keep"))


EMBEDDING, HEAD = Node("embedding", "embedding", 50, WIDTH, 400), Node("head", "head", WIDTH, 50)


def chain(*middle: Node) -> BlockGraph:
    nodes = (EMBEDDING, *middle, norm("final_norm"), HEAD)
    names = [node.name for node in nodes]
    return BlockGraph(nodes, tuple(nx.utils.pairwise(names)))


def parallel(*edges: Edge) -> BlockGraph:
    """Two FFNs that both read the embedding and are joined by the final norm, with more edges if wanted."""
    nodes = (EMBEDDING, norm("a.norm"), ffn("a", 100), norm("b.norm"), ffn("b", 300), norm("final_norm"), HEAD)
    branches = [[("embedding", f"{name}.norm"), (f"{name}.norm", name), (name, "final_norm")] for name in "ab"]
    return BlockGraph(nodes, (*branches[0], *branches[1], ("final_norm", "head"), *edges))


def test_nodes_come_in_the_order_that_data_takes_however_they_were_given() -> None:
    graph = chain(norm("a.norm"), ffn("a"))
    shuffled = BlockGraph(graph.nodes[::-1], graph.edges[::-1])
    assert [node.name for node in shuffled.nodes] == ["embedding", "a.norm", "a", "final_norm", "head"]
    assert shuffled == graph
    assert hash(shuffled) == hash(graph)
    assert len({graph, shuffled}) == 1


def test_graphs_that_differ_in_a_node_or_an_edge_are_not_equal() -> None:
    graph = chain(norm("a.norm"), ffn("a"))
    assert graph != chain(norm("a.norm"), ffn("a", params=99))
    assert graph != chain()


def test_a_graph_and_its_network_are_frozen() -> None:
    graph = chain()
    with pytest.raises(FrozenInstanceError):
        graph.nodes = ()  # type: ignore[misc]
    with pytest.raises(nx.NetworkXError, match="Frozen"):
        graph.network.add_edge("head", "embedding")


def test_edges_of_the_network_carry_the_width_of_the_stream() -> None:
    assert set(nx.get_edge_attributes(chain(norm("a.norm"), ffn("a")).network, "width").values()) == {WIDTH}


def test_parallel_branches_leave_one_fork_and_join_again() -> None:
    graph = parallel()
    assert [node.name for node in graph.after("embedding")] == ["a.norm", "b.norm"]
    assert [node.name for node in graph.before("final_norm")] == ["a", "b"]
    assert [node.name for node in graph.sub_blocks] == ["a", "b"]


def test_branches_may_share_one_norm_as_fused_ffns_do() -> None:
    nodes = (EMBEDDING, norm("a.norm"), ffn("a"), ffn("b"), norm("final_norm"), HEAD)
    edges = [
        ("embedding", "a.norm"),
        *((("a.norm", name)) for name in "ab"),
        *(((name, "final_norm")) for name in "ab"),
    ]
    assert len(BlockGraph(nodes, (*edges, ("final_norm", "head"))).before("final_norm")) == 2


def test_two_rows_of_parallel_branches_may_follow_each_other() -> None:
    first, second = ["a", "b"], ["c", "d"]
    edges: list[Edge] = [("embedding", f"{name}.norm") for name in first]
    edges += [(before, f"{name}.norm") for before in first for name in second]
    edges += [(f"{name}.norm", name) for name in first + second]
    edges += [(name, "final_norm") for name in second] + [("final_norm", "head")]
    nodes = [part for name in first + second for part in (norm(f"{name}.norm"), ffn(name))]
    graph = BlockGraph((EMBEDDING, *nodes, norm("final_norm"), HEAD), tuple(edges))
    assert len(graph.critical_path(lambda node: node.kind == "ffn")[0]) == 7


def test_params_and_kv_bytes_are_sums_over_all_nodes() -> None:
    attention = Node("x", "attention", WIDTH, WIDTH, 7, kv_values_per_token=6, layer=0)
    graph = chain(norm("x.norm"), attention)
    assert graph.params == 400 + 8 + 7 + 8
    assert graph.kv_bytes_per_token("bf16") == 12
    assert graph.kv_bytes_per_token("fp32") == 24


def test_critical_path_takes_the_dearest_of_parallel_branches() -> None:
    path, cost = parallel().critical_path(lambda node: float(node.params))
    assert [node.name for node in path] == ["embedding", "b.norm", "b", "final_norm", "head"]
    assert cost == 400 + 8 + 300 + 8


def test_critical_path_is_the_longest_of_all_paths() -> None:
    graph = parallel()
    costs = {node.name: len(node.name) * 1.5 for node in graph.nodes}
    lengths = [sum(costs[name] for name in path) for path in nx.all_simple_paths(graph.network, "embedding", "head")]
    assert graph.critical_path(lambda node: costs[node.name])[1] == max(lengths)


def test_critical_path_names_the_node_whose_cost_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="a: its cost is nan"):
        parallel().critical_path(lambda node: float("nan") if node.name == "a" else 1.0)


def test_replacing_a_node_gives_a_new_graph_and_leaves_the_old_one() -> None:
    graph = parallel()
    changed = graph.replace_node("a", replace(graph["a"], name="wide", params=700))
    assert changed.params == graph.params + 600
    assert [node.name for node in changed.before("final_norm")] == ["wide", "b"]
    assert graph["a"].params == 100
    with pytest.raises(GraphError, match="there is no node c to replace"):
        graph.replace_node("c", ffn("c"))
    with pytest.raises(GraphError, match="joins widths that differ"):
        graph.replace_node("a.norm", norm("a.norm", width=9))


GOOD = parallel()
BROKEN: dict[str, tuple[tuple[Node, ...], tuple[Edge, ...], str]] = {
    "no embedding": (GOOD.nodes[1:], GOOD.edges[2:], "exactly one embedding, this one has none"),
    "two heads": ((*GOOD.nodes, replace(HEAD, name="h")), GOOD.edges, "exactly one head, this one has head, h"),
    "a name twice": ((*GOOD.nodes, ffn("a")), GOOD.edges, "2 nodes are called a"),
    "an edge twice": (GOOD.nodes, (*GOOD.edges, ("a", "final_norm")), "the edge a → final_norm is there 2 times"),
    "an edge to nowhere": (GOOD.nodes, (*GOOD.edges, ("a", "x")), "the edge a → x names a node that is not there: x"),
    "a circle": (GOOD.nodes, (*GOOD.edges, ("a", "a.norm")), "the graph runs in a circle: "),
    "a dead end": (GOOD.nodes, tuple(edge for edge in GOOD.edges if edge != ("a", "final_norm")), "a does not lead to"),
    "an island": (GOOD.nodes, tuple(edge for edge in GOOD.edges if edge[0] != "embedding"), "a is not reached from"),
    "a sub-block without norm": (
        GOOD.nodes, (*(edge for edge in GOOD.edges if edge != ("a.norm", "a")), ("embedding", "a")),
        "a reads embedding; it must read exactly one norm",
    ),
    "a norm of a norm": (GOOD.nodes, (*GOOD.edges, ("a.norm", "b.norm")), "b.norm reads embedding, a.norm; a norm"),
    "another fork": (
        GOOD.nodes, (*(edge for edge in GOOD.edges if edge != ("embedding", "b.norm")), ("a", "b.norm")),
        "final_norm joins branches that leave different forks: a leaves embedding, b leaves a",
    ),
    "a branch and its own fork": (GOOD.nodes, (*GOOD.edges, ("embedding", "final_norm")), "embedding leaves none"),
    "a width that differs": (
        tuple(replace(node, input_width=9, output_width=9) if node.name == "a" else node for node in GOOD.nodes),
        GOOD.edges, "the edge a.norm → a joins widths that differ: 8 and 9",
    ),
    "a stream that changes its width": (
        tuple(replace(node, output_width=9) if node.name == "a" else node for node in GOOD.nodes), GOOD.edges,
        "a: reads 8 and hands on 9; the stream keeps its width",
    ),
    "negative weights": ((*GOOD.nodes[:-1], replace(HEAD, params=-1)), GOOD.edges, "head: params is -1"),
    "no width": ((replace(EMBEDDING, input_width=0), *GOOD.nodes[1:]), GOOD.edges, "embedding: input_width is 0"),
    "nothing": ((), (), "exactly one embedding, this one has none"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_block_graph_is_refused_by_name(case: str) -> None:
    nodes, edges, told = BROKEN[case]
    with pytest.raises(GraphError) as caught:
        BlockGraph(nodes, edges)
    assert any(told in line for line in caught.value.lines), caught.value.lines
