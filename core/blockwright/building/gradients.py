"""How sensitive the parent is to each sub-block's output: E[g gᵀ], from one pass of gradients from the back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from blockwright.construction import LibrarySettings
from blockwright.events import emit
from blockwright.files import write_atomically
from blockwright.models.sensitivity import LayerGradients, sampled_gradient, walk_back
from blockwright.models.stack import LayerStack
from blockwright.variants import SubBlock

if TYPE_CHECKING:
    from blockwright.stages import StageContext


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
