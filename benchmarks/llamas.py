"""Block graphs of published models by their sizes, no weights needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from blockwright.graph.block_graph import BlockGraph, Node
from blockwright.graph.building import Outline, graph_of
from blockwright.plugins import installed_plugins
from blockwright.variants import Slot, SubBlock, SubBlockShape, VariantSpec

DATA = Path(__file__).parent / "data"
SIZES = {  # hidden, heads, KV heads, head_dim, FFN width, layers, vocabulary
    "llama-8b": (4096, 32, 8, 128, 14336, 32, 128256),
    "llama-70b": (8192, 64, 8, 128, 28672, 80, 128256),
    "llama-405b": (16384, 128, 8, 128, 53248, 126, 128256),
    "qwen3-32b": (5120, 64, 8, 128, 25600, 64, 151936),
}
PARENTS = {"nemotron-super-49b": "llama-70b", "nemotron-ultra-253b": "llama-405b"}


def outline(name: str) -> Outline:
    hidden, heads, kv_heads, head_dim, width, layers, vocabulary = SIZES[name]
    slots: tuple[Slot, Slot] = ("attention", "ffn")
    qk_norm = name.startswith("qwen3")
    shapes = {slot: SubBlockShape(slot, hidden, heads, kv_heads, head_dim, width, qk_norm=qk_norm) for slot in slots}
    return Outline(shapes, layers, vocabulary, tied=False)


def parent_graph(name: str) -> BlockGraph:
    return graph_of(outline(name), {}, installed_plugins().variants)


def child_graph(name: str) -> BlockGraph:
    """One of the two published children of `data/`; an FFN wider than the parent's is several that were fused."""
    parent = replace(outline(PARENTS[name]), layers=len(_layers(name)))
    assignment = {}
    for layer, (kv_heads, width, _) in enumerate(_layers(name)):
        assignment |= {SubBlock(layer, "attention"): _attention(kv_heads, parent), SubBlock(layer, "ffn"): _ffn(width)}
    graph = graph_of(parent, assignment, installed_plugins().variants)
    for node in graph.sub_blocks:
        graph = graph.replace_node(node.name, _of_its_own_width(node)) if node.kind == "ffn" else graph
    return graph


def _layers(name: str) -> list[tuple[int, int, float]]:
    layers: list[tuple[int, int, float]] = json.loads((DATA / f"{name}.json").read_text())["layers"]
    return layers


def _attention(kv_heads: int, parent: Outline) -> VariantSpec:
    if kv_heads == parent.shapes["attention"].kv_heads:
        return VariantSpec("attention", "keep")
    return (
        VariantSpec("attention", "kv_heads", (("heads", kv_heads),)) if kv_heads else VariantSpec("attention", "skip")
    )


def _ffn(width: int) -> VariantSpec:
    return VariantSpec("ffn", "narrow", (("width", width),)) if width else VariantSpec("ffn", "skip")


def _of_its_own_width(node: Node) -> Node:
    """The parent's kind of FFN at the variant's width, so that it may be wider than the parent's."""
    assert node.variant is not None and node.shape is not None
    width = int(node.variant.option("width"))
    return replace(node, variant=VariantSpec("ffn", "keep"), shape=replace(node.shape, ffn_width=width))
