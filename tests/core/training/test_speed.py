from __future__ import annotations

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.training.models import empty_model
from blockwright.training.speed import operations_per_token, peak_operations_per_second, published_peak

SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)


def test_a_step_counts_the_parent_once_and_the_child_three_times() -> None:
    parent = empty_model(BlockwrightConfig(**SIZES))
    child = empty_model(BlockwrightConfig(**SIZES, per_layer_config={1: {"skip": ["attention", "mlp"]}}))
    layer, head, attention = 4 * 32 * 32 + 3 * 32 * 48, 64 * 32, 2 * 2 * 8 * 32  # 16 positions: 8 seen on average
    theirs, ours = 2 * (2 * layer + head) + 2 * attention, 2 * (layer + head) + attention
    assert operations_per_token(parent, child, 16) == theirs + 3 * ours


def test_a_tied_head_counts_though_it_has_no_weights_of_its_own() -> None:
    tied, untied = (empty_model(BlockwrightConfig(**SIZES, tie_word_embeddings=tie)) for tie in (True, False))
    assert operations_per_token(tied, tied, 16) == operations_per_token(untied, untied, 16)


def test_this_machine_has_a_peak() -> None:
    assert peak_operations_per_second(torch.device("cpu")) > 1e8


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S"])
def test_gpus_with_a_profile_have_their_published_peak(name: str) -> None:
    assert 1e14 < (published_peak(name) or 0) < 3e15


def test_other_gpus_have_none() -> None:
    assert published_peak("NVIDIA GeForce RTX 4090") is None
