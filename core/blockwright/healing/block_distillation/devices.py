"""Where training runs: on a GPU where there is one, products in bfloat16 and weights in float32; else plainly."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from blockwright.models.devices import computing_in


def computing_on(device: torch.device) -> torch.autocast:
    return computing_in(torch.bfloat16 if device.type == "cuda" else None, device)


def moved(value: object, device: torch.device) -> object:
    """What a layer's attention needs, with all of its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: moved(each, device) for key, each in value.items()}
    return tuple(moved(each, device) for each in value) if isinstance(value, tuple) else value
