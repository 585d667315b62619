"""Whole models in memory, or this process's share of them: opened from their folders, and read tensor by tensor."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM, RotaryEmbedding
from blockwright.models.quiet import quiet_transformers
from blockwright.models.weights import WeightSource


def empty_model(config: BlockwrightConfig) -> BlockwrightForCausalLM:
    """Without any memory for weights; a tied head is the embedding itself."""
    config = copy.deepcopy(config)
    config._attn_implementation = "sdpa"
    with torch.device("meta"), quiet_transformers():
        model = BlockwrightForCausalLM(config)
    _tie(model)
    return model


def fill(model: BlockwrightForCausalLM, source: WeightSource, device: torch.device, dtype: torch.dtype) -> None:
    """Gives the model its weights, one tensor of `source` at a time; a sharded one keeps this process's part."""
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    state = {
        name: _placed(source.read(name).to(device, dtype), empty)
        for name, empty in model.state_dict().items()
        if name not in tied
    }
    model.load_state_dict(state, strict=False, assign=True)
    _tie(model)
    model.model.rotary_emb = RotaryEmbedding(model.config).to(device)


def recompute_activations(model: BlockwrightForCausalLM) -> None:
    """Gradient checkpointing of every layer in training: its inner activations are made again on the way back."""
    again = partial(checkpoint, use_reentrant=False)
    for layer in model.model.layers:
        layer.gradient_checkpointing, layer._gradient_checkpointing_func = True, again


def config_of(model: BlockwrightForCausalLM) -> BlockwrightConfig:
    config = model.config
    assert isinstance(config, BlockwrightConfig)
    return config


def _tie(model: BlockwrightForCausalLM) -> None:
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight


def _placed(full: Tensor, empty: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(empty, DTensor):
        return full
    # src_data_rank=None: each process reads the file itself, and nothing is sent
    return distribute_tensor(full, empty.device_mesh, empty.placements, src_data_rank=None)


class ModelSource:
    """The weights of a model in memory, by name. Of a sharded one, all processes must read the same names in turn."""

    def __init__(self, model: nn.Module) -> None:
        self._tensors = model.state_dict()

    def names(self) -> Iterable[str]:
        return self._tensors

    def read(self, name: str) -> Tensor:
        tensor: Tensor = self._tensors[name].detach()
        gather = getattr(tensor, "full_tensor", None)
        return tensor if gather is None else gather()
