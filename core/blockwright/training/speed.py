"""How much of the machine a training uses: model operations a token, and the device's peak."""

from __future__ import annotations

import torch
from torch import nn

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.training.models import config_of

FORWARD, FORWARD_AND_BACKWARD = 2, 6  # operations a weight and token


def operations_per_token(parent: BlockwrightForCausalLM, child: BlockwrightForCausalLM, length: int) -> float:
    """Of one distillation step: the parent forward, the child forward and backward; recomputed ones do not count."""
    return _forward(parent, length) + FORWARD_AND_BACKWARD / FORWARD * _forward(child, length)


def _forward(model: BlockwrightForCausalLM, length: int) -> float:
    """Matrix products only: all but the embedding, which is looked up, and half of the attention's square."""
    matrices = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
    return FORWARD * matrices + _attention(config_of(model), length)


def _attention(config: BlockwrightConfig, length: int) -> float:
    layers = [config.layer(index) for index in range(config.num_hidden_layers)]
    attending = [layer for layer in layers if "attention" not in layer.skip and layer.attention_kind == "standard"]
    seen = length / 2  # positions, on average; queries with keys, and weights with values
    return float(len(attending) * 2 * FORWARD * seen * config.num_attention_heads * config.head_dim)


def peak_operations_per_second(device: torch.device) -> float:
    """A GPU's published bf16 peak where a hardware profile has it; elsewhere the rate of a large product, now."""
    if device.type != "cuda":
        from blockwright.running.estimates import measure_operations_per_second

        return measure_operations_per_second()
    return published_peak(torch.cuda.get_device_name(device)) or _measured_on(device)


def published_peak(name: str) -> float | None:
    """By the profile whose name begins with the device's model: `h100-sxm` for `NVIDIA H100 80GB HBM3`."""
    from blockwright.hardware.files import profile_files, read_profile

    words = name.lower().replace("-", " ").split()
    for profile, file in sorted(profile_files().items()):
        if profile.partition("-")[0] in words:
            return read_profile(file).peak_tflops.get("bf16", 0.0) * 1e12 or None
    return None


def _measured_on(device: torch.device, size: int = 8192, products: int = 20) -> float:
    a = torch.ones(size, size, device=device, dtype=torch.bfloat16)
    a @ a  # the first product sets up what is needed
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(products):
        a @ a
    end.record()
    torch.cuda.synchronize(device)
    return float(products * 2 * size**3 / (start.elapsed_time(end) / 1e3))
