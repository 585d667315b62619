"""Where models run, and in what: on a GPU where there is one."""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computing_in(dtype: torch.dtype | None, device: torch.device) -> torch.autocast:
    """Products in this precision; None for that of the weights."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
