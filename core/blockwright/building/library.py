"""Builds the block library from the parent: one pass of gradients from the back, one of activations from the front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from blockwright.building.apart import build_apart
from blockwright.building.closed_form import build_in_closed_form
from blockwright.building.distilling import Distilling
from blockwright.building.gradients import measure_gradient_moments, read_gradient_moment
from blockwright.child.assembly import Variants
from blockwright.child.modeling_blockwright import DecoderLayer
from blockwright.construction import LibrarySettings, Streams, SubBlockContext
from blockwright.events import emit
from blockwright.executors import HERE, Executor
from blockwright.library import Library, sub_block_path, write_sub_block
from blockwright.models.stack import LayerStack, added_to
from blockwright.variants import SLOTS, Slot, SubBlock, VariantSpec

if TYPE_CHECKING:
    from blockwright.parent import Parent

Space = Mapping[SubBlock, Sequence[VariantSpec]]


def build_library(
    parent: Parent,
    space: Space,
    variants: Variants,
    tokens: Mapping[str, Tensor],
    settings: LibrarySettings,
    directory: Path,
    seed: int,
    executor: Executor = HERE,
) -> Library:
    """Every variant of `space`, fitted to `tokens["calibration"]` (sequences, seq).

    Where a variant can be built in several ways, `tokens["heldback"]` decides. A build that was killed goes on
    where it stopped. One layer and one copy of the streams (tokens × hidden) are resident, whatever the depth; the
    workers of an executor build the variants of what this process has passed.
    """
    measure_gradient_moments(parent.stack(), tokens["calibration"], settings, directory, seed)
    contexts = _along_the_parent(parent, space, tokens, settings, directory, seed)
    if executor.apart:
        build_apart(contexts, parent, space, variants, (executor, directory))
        return Library(directory, parent.source())
    for context in contexts:
        _build_or_pass(context, space[context.sub_block], variants, Distilling(parent, variants, directory))
        if context.sub_block.slot == SLOTS[-1]:
            layer = context.sub_block.layer
            emit("layer_built", done=layer + 1, total=parent.layers, layer=layer)
    return Library(directory, parent.source())


def _along_the_parent(
    parent: Parent, space: Space, tokens: Mapping[str, Tensor], settings: LibrarySettings, directory: Path, seed: int
) -> Iterator[SubBlockContext]:
    """Each sub-block with the streams that enter it, which whoever takes it must move on before the next.

    Those that nothing can be made from are passed here.
    """
    stack = parent.stack()
    streams = Streams(stack.embed(tokens["calibration"]), stack.embed(tokens["heldback"]))
    for index in range(len(stack)):
        layer = stack.layer(index)
        for slot in SLOTS:
            sub_block = SubBlock(index, slot)
            shape, present = parent.shape_of(sub_block), parent.present(sub_block)
            if shape is None:
                _pass_by(stack, layer, slot, streams)
                write_sub_block(directory, sub_block, {spec: {} for spec in space[sub_block]}, {})
                continue
            moment = read_gradient_moment(directory, sub_block)
            yield SubBlockContext(sub_block, shape, stack, layer, streams, moment, settings, seed, present)


def _pass_by(stack: LayerStack, layer: DecoderLayer, slot: Slot, streams: Streams) -> None:
    """Moves the streams past a sub-block, in place."""
    arguments = stack.attention_arguments(streams.calibration.shape[1])
    part = partial(layer.attend, **arguments) if slot == "attention" else layer.feed
    for stream in (streams.calibration, streams.heldback):
        added = added_to(stream, part)
        if added is not None:
            stream += added


def _build_or_pass(
    context: SubBlockContext, specs: Sequence[VariantSpec], variants: Variants, distilling: Distilling
) -> None:
    """Builds one sub-block's variants unless they are there already; the stream moves on either way."""
    directory = distilling.directory
    if sub_block_path(directory, context.sub_block).exists():
        context.advance()
    elif context.settings.distill is None:
        built = build_in_closed_form(context, specs, variants, context.advance)
        write_sub_block(directory, context.sub_block, built, context.decisions)
    else:
        built = distilling.trained(context, build_in_closed_form(context, specs, variants, context.keep_outputs))
        write_sub_block(directory, context.sub_block, built, context.decisions)
        context.advance()
    distilling.forget(context.sub_block)
