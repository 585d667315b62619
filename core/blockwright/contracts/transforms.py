"""What every transform must do. A rule takes a transform; AssertionError says in a sentence what it breaks.

A transform that cannot take a child says so by a UserError, which breaks no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from blockwright.contracts.small_children import LAYERS, SKIPPED, small_child, small_tokens
from blockwright.errors import UserError
from blockwright.graph.as_dict import to_dict
from blockwright.transforms import Transform, TransformContext, Transformed


def transform_makes_a_child_with_all_its_weights(transform: Transform) -> None:
    """Every tensor that the new config asks for is there, in its shape."""
    from blockwright.child.checkpoint import planned_tensors

    for name, _, result in _applied(transform):
        for tensor in planned_tensors(result.child.config):
            shape = tuple(result.child.read(tensor.name).shape)
            _must(shape == tensor.shape, transform, f"made {tensor.name} of {shape} for {tensor.shape}, of {name}")


def transform_keeps_graph_and_child_alike(transform: Transform) -> None:
    """As many parameters, and the same layers without attention."""
    from blockwright.child.checkpoint import planned_tensors

    for name, _, result in _applied(transform):
        params = sum(math.prod(tensor.shape) for tensor in planned_tensors(result.child.config))
        _must(
            params == result.graph.params,
            transform,
            f"made {params} weights and a graph of {result.graph.params}, {name}",
        )
        config = result.child.config
        cached = {layer for layer in range(LAYERS) if "attention" not in config.layer(layer).skip}
        drawn = {node.layer for node in result.graph.nodes if node.kind == "attention"}
        _must(cached == drawn, transform, f"made attentions in layers {cached} and a graph with {drawn}, of {name}")


def transform_leaves_the_given_child_as_it_is(transform: Transform) -> None:
    """Its graph is a value; its config and its weights must not change either."""
    for name, context, _ in _applied(transform):
        child, graph = small_child(name)
        same = context.child.config.to_dict() == child.config.to_dict()
        _must(same and to_dict(context.graph) == to_dict(graph), transform, f"changed the given child, {name}")
        weights = all(context.child.read(key).equal(child.read(key)) for key in child.source.names())
        _must(weights, transform, f"changed the weights of the given child, {name}")


def transform_makes_a_child_that_runs(transform: Transform) -> None:
    """Its streams are numbers."""
    from blockwright.models.divergence import final_stream

    for name, _, result in _applied(transform):
        stream = final_stream(result.child, small_tokens()["heldback"])
        _must(bool(stream.isfinite().all()), transform, f"made a child whose stream is no number, of {name}")


def transform_answers_alike_when_asked_again(transform: Transform) -> None:
    """In the same folder, as after a kill, and in another one."""
    from blockwright.models.divergence import final_stream

    tokens = small_tokens()["heldback"]
    for name in SKIPPED:
        with TemporaryDirectory() as one, TemporaryDirectory() as other:
            results = [_apply(transform, name, Path(folder)) for folder in (one, one, other)]
        found = [(result.graph, result.joined, result.dependencies) for _, result in filter(None, results)]
        _must(
            found.count(found[0]) == len(found) if found else True, transform, f"answered differently again, of {name}"
        )
        streams = [final_stream(result.child, tokens) for _, result in filter(None, results)]
        _must(all(stream.equal(streams[0]) for stream in streams), transform, f"made another child again, of {name}")


def transform_names_what_it_joins(transform: Transform) -> None:
    """Sub-blocks of the graph it was given, or layers (`layer.3`) that have one; each in one group of two or more."""
    for name, context, result in _applied(transform):
        layers = {f"layer.{node.layer}" for node in context.graph.sub_blocks}
        known = layers | {node.name for node in context.graph.sub_blocks}
        named = [part for parts in result.joined for part in parts]
        _must(set(named) <= known, transform, f"joined {sorted(set(named) - known)}, which are not there, of {name}")
        sizes = [len(parts) for parts in result.joined]
        once = len(named) == len(set(named)) and min(sizes, default=2) > 1
        _must(once, transform, f"joined parts twice or alone: {result.joined}, of {name}")


def _applied(transform: Transform) -> Iterator[tuple[str, TransformContext, Transformed]]:
    """All small children that it takes."""
    for name in SKIPPED:
        with TemporaryDirectory() as folder:
            done = _apply(transform, name, Path(folder))
            if done is not None:
                yield name, *done


def _apply(transform: Transform, name: str, folder: Path) -> tuple[TransformContext, Transformed] | None:
    child, graph = small_child(name)
    context = TransformContext(child, graph, small_tokens(), folder, seed=0)
    try:
        return context, transform.apply(context)
    except UserError:
        return None


def _must(kept: bool, transform: Transform, otherwise: str) -> None:
    if not kept:
        raise AssertionError(f"{transform.name}: {otherwise}")


TRANSFORM_CONTRACT: tuple[Callable[[Transform], None], ...] = (
    transform_makes_a_child_with_all_its_weights,
    transform_keeps_graph_and_child_alike,
    transform_leaves_the_given_child_as_it_is,
    transform_makes_a_child_that_runs,
    transform_answers_alike_when_asked_again,
    transform_names_what_it_joins,
)
"""All rules, to parametrize over."""
