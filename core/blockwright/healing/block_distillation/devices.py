"""Where training runs: on a GPU where there is one, products in bfloat16 and weights in float32; else plainly."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computing_on(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def moved(value: object, device: torch.device) -> object:
    """What a layer's attention needs, with all of its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: moved(each, device) for key, each in value.items()}
    return tuple(moved(each, device) for each in value) if isinstance(value, tuple) else value
