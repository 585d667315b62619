"""The block graph as plain data for JSON, and back, trusting nothing that is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blockwright.graph.block_graph import BlockGraph, GraphError, Node, NodeKind
from blockwright.variants import Slot, SubBlockShape, VariantSpec

FORMAT: Literal[1] = 1

Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, lt=2**53)]  # what JSON carries exactly
Option = str | bool | int | Annotated[float, Field(allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _VariantRecord(_Record):
    slot: Slot
    kind: Name
    options: dict[Name, Option] = {}

    def spec(self) -> VariantSpec:
        return VariantSpec(self.slot, self.kind, tuple(self.options.items()))


class _ShapeRecord(_Record):
    slot: Slot
    hidden_size: Count
    attention_heads: Count
    kv_heads: Count
    head_dim: Count
    ffn_width: Count
    qkv_bias: bool = False
    output_bias: bool = False
    ffn_bias: bool = False
    qk_norm: bool = False


class _NodeRecord(_Record):
    name: Name
    kind: NodeKind
    input_width: Count
    output_width: Count
    params: Count = 0
    kv_values_per_token: Count = 0
    layer: Count | None = None
    variant: _VariantRecord | None = None
    shape: _ShapeRecord | None = None
    members: Annotated[list[Name], Field(max_length=10_000)] | None = None

    def node(self) -> Node:
        made = {"variant", "shape", "members"}
        fields = {name: getattr(self, name) for name in type(self).model_fields if name not in made}
        shape = SubBlockShape(**self.shape.model_dump()) if self.shape else None
        variant = self.variant.spec() if self.variant else None
        return Node(**fields, variant=variant, shape=shape, members=tuple(self.members or ()))


class _GraphRecord(_Record):
    format: Literal[1]
    nodes: Annotated[list[_NodeRecord], Field(max_length=10_000)]
    edges: Annotated[list[Annotated[list[Name], Field(min_length=2, max_length=2)]], Field(max_length=100_000)]


def to_dict(graph: BlockGraph) -> dict[str, object]:
    """JSON-safe; equal graphs give equal data."""
    nodes = [_NodeRecord.model_validate(_node_fields(node)).model_dump(exclude_none=True) for node in graph.nodes]
    return {"format": FORMAT, "nodes": nodes, "edges": [list(edge) for edge in graph.edges]}


def from_dict(data: object) -> BlockGraph:
    """The inverse of `to_dict`; GraphError (a ValueError) names each field, node or edge that is wrong."""
    try:
        record = _GraphRecord.model_validate(data)
    except ValidationError as error:
        raise GraphError(_line(one["loc"], one["msg"]) for one in error.errors(include_url=False)) from None
    edges = tuple((source, target) for source, target in record.edges)
    return BlockGraph(tuple(one.node() for one in record.nodes), edges)


def _node_fields(node: Node) -> Mapping[str, object]:
    fields = {name: getattr(node, name) for name in _NodeRecord.model_fields}
    variant = node.variant.to_dict() if node.variant else None
    shape = asdict(node.shape) if node.shape else None
    return fields | {"variant": variant, "shape": shape, "members": list(node.members) or None}


def _line(location: tuple[str | int, ...], message: str) -> str:
    return f"{'.'.join(map(str, location)) or 'graph'}: {message}"
