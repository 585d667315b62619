"""A stack walks layer by layer to the streams of the whole model, windows of layers that run side by side included."""

from __future__ import annotations

import pytest
import torch

from blockwright.child.configuration_blockwright import BlockwrightConfig
from blockwright.child.modeling_blockwright import BlockwrightForCausalLM
from blockwright.contracts.small_children import Weights
from blockwright.errors import UserError
from blockwright.models.divergence import final_stream
from blockwright.models.sensitivity import streams_between_layers
from blockwright.models.stack import LayerStack, run_layers

TOKENS = torch.randint(1, 40, (11, 9), generator=torch.Generator().manual_seed(0))


def side_by_side() -> tuple[LayerStack, BlockwrightForCausalLM]:
    torch.manual_seed(0)
    config = BlockwrightConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=7, num_attention_heads=4,
        initializer_range=0.3, tie_word_embeddings=True, per_layer_config={2: {"skip": ["attention", "mlp"]}},
        parallel_windows=[[1, 3], [4, 6]],
    )  # fmt: skip
    model = BlockwrightForCausalLM(config).eval()
    return LayerStack(config, Weights(dict(model.state_dict()))), model


def test_layers_side_by_side_give_the_models_own_stream() -> None:
    stack, model = side_by_side()
    with torch.no_grad():
        expected = model(TOKENS).logits
    torch.testing.assert_close(stack.head()(final_stream(stack, TOKENS)), expected, atol=1e-5, rtol=1e-5)


def test_a_walk_that_knows_no_windows_is_refused_in_one_line() -> None:
    stack, _ = side_by_side()
    with pytest.raises(UserError, match=r"layers 1-3 of this child run side by side, .* put `block-parallel` behind"):
        streams_between_layers(stack, TOKENS)


def test_a_walk_cannot_start_within_a_window() -> None:
    stack, _ = side_by_side()
    with pytest.raises(ValueError, match="layer 2 shares its input with the layer before it"):
        run_layers(stack, stack.embed(TOKENS), start=2)
