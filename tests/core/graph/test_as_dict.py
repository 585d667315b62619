"""A block graph survives JSON, and hostile data is refused with a plain message."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from blockwright.graph.as_dict import from_dict, to_dict
from blockwright.graph.block_graph import BlockGraph, Node
from blockwright.variants import VariantSpec

WINDOW = VariantSpec("attention", "sliding", (("window", 512), ("sinks", True), ("scale", 0.5)))
GRAPH = BlockGraph(
    (
        Node("embedding", "embedding", 50, 8, 400),
        Node("attention.0.norm", "norm", 8, 8, 8, layer=0),
        Node("attention.0", "attention", 8, 8, 90, 16, 0, WINDOW),
        Node("final_norm", "norm", 8, 8, 8),
        Node("head", "head", 8, 50),
    ),
    (
        ("embedding", "attention.0.norm"),
        ("attention.0.norm", "attention.0"),
        ("attention.0", "final_norm"),
        ("final_norm", "head"),
    ),
)


def test_a_graph_survives_json() -> None:
    again = from_dict(json.loads(json.dumps(to_dict(GRAPH), allow_nan=False)))
    assert again == GRAPH
    assert hash(again) == hash(GRAPH)
    assert again["attention.0"].variant == WINDOW


def test_equal_graphs_give_equal_data() -> None:
    assert to_dict(BlockGraph(GRAPH.nodes[::-1], GRAPH.edges[::-1])) == to_dict(GRAPH)


def changed(*path: str | int, to: object) -> object:
    """The data of the graph with one value replaced."""
    data: Any = copy.deepcopy(to_dict(GRAPH))
    place = data
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "graph: Input should be"),
        ([], "graph: Input should be"),
        ({}, "nodes: Field required"),
        (changed("format", to=2), "format: Input should be 1"),
        (changed("evil", to=1), "evil: Extra inputs are not permitted"),
        (changed("nodes", 2, "kind", to="moe"), "nodes.2.kind: Input should be 'embedding', 'norm'"),
        (changed("nodes", 2, "params", to="90"), "nodes.2.params: Input should be a valid integer"),
        (changed("nodes", 2, "params", to=-1), "nodes.2.params: Input should be greater than or equal to 0"),
        (changed("nodes", 2, "params", to=10**400), "nodes.2.params: Input should be less than"),
        (changed("nodes", 2, "name", to=""), "nodes.2.name: String should have at least 1 character"),
        (changed("nodes", 2, "variant", to="keep"), "nodes.2.variant: Input should be"),
        (changed("nodes", 2, "variant", "slot", to="moe"), "nodes.2.variant.slot: Input should be 'attention'"),
        (changed("nodes", 2, "variant", "options", "scale", to=float("inf")), "nodes.2.variant.options.scale"),
        (changed("nodes", 2, "variant", "options", "window", to=[1]), "nodes.2.variant.options.window"),
        (changed("edges", 0, to=["embedding"]), "edges.0: List should have at least 2 items"),
        (changed("edges", 0, to=["embedding", 3]), "edges.0.1: Input should be a valid string"),
        (changed("edges", to=[["a", "b"]] * 100_001), "edges: List should have at most 100000 items"),
        (changed("edges", 0, to=["attention.0", "attention.0.norm"]), "the graph runs in a circle"),
    ],
)
def test_hostile_data_is_refused_with_the_place_of_what_is_wrong(data: object, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(data)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 2000
