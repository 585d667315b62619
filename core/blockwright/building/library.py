"""Builds the block library from the parent: one pass of gradients from the back, one of activations from the front."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from blockwright.building.distilling import Distilling
from blockwright.child.assembly import Variants
from blockwright.construction import LibrarySettings, Streams, SubBlockContext
from blockwright.events import emit
from blockwright.files import write_atomically
from blockwright.library import Library, sub_block_path, write_sub_block
from blockwright.models.sensitivity import LayerGradients, sampled_gradient, walk_back
from blockwright.models.stack import LayerStack
from blockwright.variants import SLOTS, SubBlock, VariantSpec, Weights

if TYPE_CHECKING:
    from blockwright.parent import Parent
    from blockwright.stages import StageContext

Space = Mapping[SubBlock, Sequence[VariantSpec]]


def build_library(
    parent: Parent,
    space: Space,
    variants: Variants,
    tokens: Mapping[str, Tensor],
    settings: LibrarySettings,
    directory: Path,
    seed: int,
) -> Library:
    """Every variant of `space`, fitted to `tokens["calibration"]` (sequences, seq).

    Where a variant can be built in several ways, `tokens["heldback"]` decides. A build that was killed goes on
    where it stopped. One layer and one copy of the streams (tokens × hidden) are resident, whatever the depth.
    """
    stack = parent.stack()
    measure_gradient_moments(stack, tokens["calibration"], settings, directory, seed)
    streams = Streams(stack.embed(tokens["calibration"]), stack.embed(tokens["heldback"]))
    for index in range(len(stack)):
        layer = stack.layer(index)
        for slot in SLOTS:
            sub_block = SubBlock(index, slot)
            context = SubBlockContext(
                sub_block,
                parent.shape(slot),
                stack,
                layer,
                streams,
                read_gradient_moment(directory, sub_block),
                settings,
                seed,
            )
            _build_or_pass(context, space[sub_block], variants, Distilling(parent, variants, directory))
        emit("layer_built", done=index + 1, total=len(stack), layer=index)
    return Library(directory, parent.source())


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


def build_in_closed_form(
    context: SubBlockContext, specs: Sequence[VariantSpec], variants: Variants, between: Callable[[], None]
) -> dict[VariantSpec, Weights]:
    """In closed form; `between` makes the pass that takes the moments, after those that read the stream themselves."""
    kinds = _by_kind(specs)
    built: dict[VariantSpec, Weights] = {}
    for reads_inputs in (True, False):
        if not reads_inputs:
            between()
        for kind, members in kinds.items():
            variant = variants[(context.sub_block.slot, kind)]
            if variant.reads_inputs == reads_inputs:
                built.update(variant.build(members, context))
    return {spec: built[spec] for spec in specs}


def _by_kind(specs: Sequence[VariantSpec]) -> dict[str, list[VariantSpec]]:
    ordered = sorted(specs, key=lambda spec: spec.kind)
    return {kind: list(members) for kind, members in groupby(ordered, key=lambda spec: spec.kind)}


def measure_gradient_moments(
    stack: LayerStack, calibration: Tensor, settings: LibrarySettings, directory: Path, seed: int
) -> None:
    """Writes E[g gᵀ] at every sub-block's output, one file a layer; layers that are there already are kept."""
    if all(_moments_path(directory, index).exists() for index in range(len(stack))):
        return
    sequences = max(1, settings.gradient_tokens // calibration.shape[1])
    tokens = calibration[torch.linspace(0, len(calibration) - 1, min(sequences, len(calibration))).long()]
    head_gradient = sampled_gradient(stack.head(), settings.gradient_samples, seed)
    for gradients in walk_back(stack, tokens, head_gradient):
        _write_moments(directory, gradients)
        emit("gradients_measured", done=len(stack) - gradients.layer, total=len(stack), layer=gradients.layer)


def _write_moments(directory: Path, gradients: LayerGradients) -> None:
    moments = {"attention": _second_moment(gradients.at_attention), "ffn": _second_moment(gradients.at_ffn)}
    with write_atomically(_moments_path(directory, gradients.layer)) as path:
        save_file(moments, path)


def _second_moment(gradients: Tensor) -> Tensor:
    rows = gradients.flatten(0, -2)
    return rows.T @ rows / len(rows)


def output_moments(context: StageContext, gradient_tokens: int, folder: Path) -> Callable[[SubBlock], Tensor]:
    """Reads E[g gᵀ] (hidden, hidden) of one sub-block of the parent; all are measured first, and kept in `folder`."""
    settings, tokens = LibrarySettings(gradient_tokens=gradient_tokens), context.tokens["calibration"]
    measure_gradient_moments(context.parent.stack(), tokens, settings, folder, context.seed)
    return partial(read_gradient_moment, folder)


def read_gradient_moment(directory: Path, sub_block: SubBlock) -> Tensor:
    """E[g gᵀ] (hidden, hidden) at a sub-block's output."""
    return load_file(_moments_path(directory, sub_block.layer))[sub_block.slot]


def _moments_path(directory: Path, layer: int) -> Path:
    return directory / "gradients" / f"layer-{layer:03d}.safetensors"
