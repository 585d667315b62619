"""A stranger's attention and FFN, self-contained as they must be to travel inside a checkpoint."""

import torch
from torch import nn


class Smoothing(nn.Module):
    """Takes the place of attention: a gated copy of the token itself."""

    def __init__(self, config, layer_idx):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, config.hidden_size)
        self.strength = config.attention_options["strength"]

    def forward(self, x, **unused):
        return self.strength * torch.sigmoid(self.gate(x)) * x


class Bottleneck(nn.Module):
    """An FFN without a gate."""

    def __init__(self, config, layer_idx):
        super().__init__()
        self.inner = nn.Linear(config.hidden_size, config.mlp_options["width"])
        self.outer = nn.Linear(config.mlp_options["width"], config.hidden_size)

    def forward(self, x, **unused):
        return self.outer(torch.relu(self.inner(x)))
